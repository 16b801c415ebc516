"""Check an installation for callers: `pip install damage-tasks` without any extra.

`make caller PYTHON=python3.13` installs the package into an environment of its own and runs this
file there. It sends a photo's URL with `.delay` to a server on this machine that answers as SQS
does, and reads a bundle's manifest. It needs nothing but the standard library and the package.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

MANIFEST = Path(__file__).parent.parent / "model_store/default/manifest.json"


class Queue(BaseHTTPRequestHandler):
    """Answers SendMessage and keeps the bodies."""

    bodies: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Take one message."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = request["MessageBody"]
        self.bodies.append(body)
        digest = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
        answer = json.dumps({"MessageId": "1", "MD5OfMessageBody": digest}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def send() -> dict[str, object]:
    """Send one photo with `.delay`; the decoded body of the message that arrived."""
    server = HTTPServer(("127.0.0.1", 0), Queue)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    os.environ.update(
        AWS_ENDPOINT_URL=endpoint,
        AWS_REGION="us-east-1",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        DAMAGE_QUEUE_URL=f"{endpoint}/000000000000/damage",
    )
    from damage_tasks import detect_damage

    sent = detect_damage.delay("https://photos.example/car.jpg", {"car_id": 7})
    server.shutdown()
    server.server_close()
    (body,) = Queue.bodies
    text = body if body.startswith("{") else base64.b64decode(body).decode()
    message: dict[str, object] = json.loads(text)
    assert sent.id in text
    return message


def main() -> None:
    """Raise whatever is wrong with this installation."""
    from model_store.manifest import parse_manifest

    manifest, _ = parse_manifest(MANIFEST.read_bytes(), str(MANIFEST))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        send()
    sys.stdout.write(
        f"Python {platform.python_version()}: damage-tasks {version('damage-tasks')} sends photos "
        f"and reads the manifest of {manifest.name} {manifest.version}\n"
    )


if __name__ == "__main__":
    main()
