"""A proxy in front of the SQS and S3 emulator that can be made to fail."""

from __future__ import annotations

import http.client
import socket
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})

# What the proxy can do with a request instead of forwarding it.
PASS, ERROR_500, ERROR_503, HANG, RESET = "pass", "500", "503", "hang", "reset"
HANG_SECONDS = 6.0
EXPIRED = "expired"
LOST = "lost"  # executed, but the response is dropped

_EXPIRED = b'{"__type": "com.amazon.coral.service#ExpiredTokenException", "message": "expired"}'


class FaultProxy:
    """Forwards to ``upstream``; calls ``fault`` to decide what to do with each request.

    ``fault`` receives ``sqs`` or ``s3`` and the operation (``ReceiveMessage``, ``PUT``).
    ``accept`` receives the access key that signed the request.
    ``counts`` is the number of requests by operation.
    """

    def __init__(self, upstream: str) -> None:
        self.fault: Callable[[str, str], str] = lambda service, operation: PASS
        self.accept: Callable[[str], bool] = lambda key: True
        self.counts: Counter[str] = Counter()
        self._upstream = urlsplit(upstream).netloc
        self._port = 0
        self.open()
        self.url = f"http://127.0.0.1:{self._port}"

    def fail(self, service: str, how: str, *operations: str) -> None:
        """Apply ``how`` to all requests of ``service``, or only to the given ``operations``."""

        def fault(requested: str, operation: str) -> str:
            return (
                how if requested == service and operation in (operations or (operation,)) else PASS
            )

        self.fault = fault

    def heal(self) -> None:
        """Forward all requests again."""
        self.fault = lambda service, operation: PASS
        self.accept = lambda key: True

    def close(self) -> None:
        """Stop listening: new connections are refused."""
        self._server.shutdown()
        self._server.server_close()

    def open(self) -> None:
        """Start listening, after `close` on the same port as before."""
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.proxy = self
        self._server.upstream = self._upstream
        self._port = self._server.server_port
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    proxy: FaultProxy
    upstream: str

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore callers that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.headers.get("X-Amz-Target", "")
        service = "sqs" if target.startswith("AmazonSQS") else "s3"
        operation = target.partition(".")[2] or self.command
        self.server.proxy.counts[f"{service} {operation}"] += 1
        key = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        how = self.server.proxy.fault(service, operation)
        match how if self.server.proxy.accept(key) else EXPIRED:
            case "pass":
                self._forward(body)
            case "lost":
                self._forward(body, respond=False)
                self._reset()
            case "500" | "503" as status:
                self._answer(int(status), b"")
            case "expired":
                self._answer(403, _EXPIRED)
            case "hang":
                time.sleep(HANG_SECONDS)
                self._reset()
            case _:
                self._reset()

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _handle  # noqa: N815

    def _forward(self, body: bytes, respond: bool = True) -> None:
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            # The signature covers the host, and the emulator accepts any.
            upstream.request(self.command, self.path, body, dict(self.headers))
            response = upstream.getresponse()
            data = response.read()
            if not respond:
                return
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            upstream.close()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        pass
