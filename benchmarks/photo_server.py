"""A web server for a run's photos: ``python -m benchmarks.photo_server FOLDER``.

``/DELAY/SERIAL/PATH`` is FOLDER/PATH after DELAY milliseconds.  Every serial number
makes a unique photo: it is added to the file as a comment, so that no inspection
can reuse an earlier one.  The port is written to standard output.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from functools import cache
from pathlib import Path


def numbered(jpeg: bytes, serial: str) -> bytes:
    """``jpeg`` with ``serial`` in a comment segment (ITU-T T.81, B.2.4.5) after its start."""
    text = serial.encode()
    return b"".join([jpeg[:2], b"\xff\xfe", struct.pack(">H", len(text) + 2), text, jpeg[2:]])


class PhotoServer:
    """A minimal HTTP server: answers GET and keeps connections alive."""

    def __init__(self, folder: Path) -> None:
        read = cache(Path.read_bytes)
        self._read = lambda path: read(folder / path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it is closed."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                _, delay, serial, path = head.split(b" ", 2)[1].decode().split("/", 3)
                await asyncio.sleep(int(delay) / 1000)
                photo = numbered(self._read(path), serial)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                    % len(photo)
                )
                writer.write(photo)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def main() -> None:
    """Serve until killed."""
    photos = PhotoServer(Path(sys.argv[1]))
    server = await asyncio.start_server(photos.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{port} is the photo server's port\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
