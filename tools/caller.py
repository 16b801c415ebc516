"""Check an installation for callers: `pip install damage-tasks` without any extra.

`make caller PYTHON=python3.13` installs the package into a separate environment and runs this
file there. It sends a photo's URL with `.delay` to a server on this machine that behaves like SQS,
runs `damage-tasks check`, examines a photo here (which must name the missing extra),
and reads a bundle's manifest. It uses only the standard library and the package.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

MANIFEST = Path(__file__).parent.parent / "model_store/default/manifest.json"


ATTRIBUTES = {
    "VisibilityTimeout": "300",
    "MessageRetentionPeriod": "1209600",
    "ApproximateNumberOfMessages": "1",
    "ApproximateNumberOfMessagesNotVisible": "0",
    "ApproximateNumberOfMessagesDelayed": "0",
}


class Queue(BaseHTTPRequestHandler):
    """Answers SendMessage and GetQueueAttributes, and stores the bodies."""

    bodies: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Accept one message."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["X-Amz-Target"].endswith(".GetQueueAttributes"):
            self._answer({"Attributes": ATTRIBUTES})
            return
        body = request["MessageBody"]
        self.bodies.append(body)
        digest = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
        self._answer({"MessageId": "1", "MD5OfMessageBody": digest})

    def _answer(self, value: dict[str, object]) -> None:
        answer = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def queue() -> Iterator[None]:
    """Run the server, with this process's environment pointing to it."""
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
    yield
    server.shutdown()
    server.server_close()


def send() -> dict[str, object]:
    """Send one photo with `.delay`; returns the decoded body of the message received."""
    from damage_tasks import detect_damage

    sent = detect_damage.delay("https://photos.example/car.jpg", {"car_id": 7})
    (body,) = Queue.bodies
    text = body if body.startswith("{") else base64.b64decode(body).decode()
    message: dict[str, object] = json.loads(text)
    assert sent.id in text
    return message


def check() -> None:
    """Run `damage-tasks check`, which must find everything that a caller needs."""
    from typer.testing import CliRunner

    from damage_tasks.__main__ import cli

    run = CliRunner().invoke(cli, ["check"])
    assert run.exit_code == 0, run.output
    first, *others = run.output.splitlines()
    assert first.split()[:2] == ["ok", "queue"], run.output
    skipped = [line.split()[1] for line in others if line.startswith("skipped")]
    assert skipped == ["store", "database", "bundle"], run.output


def examine_here() -> None:
    """Run the task in this process, which must say what to install."""
    from damage_tasks import detect_damage, get_inspection
    from damage_tasks.errors import ExtraMissing

    url = "https://photos.example/car.jpg"
    calls: list[tuple[str, Callable[[], object]]] = [
        ("worker", lambda: detect_damage(url)),
        ("worker", lambda: detect_damage.apply((url,)).get()),
        ("results", lambda: get_inspection("1")),
    ]
    for extra, call in calls:
        problem = ""
        try:
            call()
        except ExtraMissing as error:
            problem = str(error)
        assert f"pip install 'damage-tasks[{extra}]'" in problem, problem


def main() -> None:
    """Raise an error if this installation does not work."""
    from model_store.manifest import parse_manifest

    manifest, _ = parse_manifest(MANIFEST.read_bytes(), str(MANIFEST))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with queue():
            send()
            check()
            examine_here()
    sys.stdout.write(
        f"Python {platform.python_version()}: damage-tasks {version('damage-tasks')} sends photos, "
        "passes `damage-tasks check` and reads the manifest of "
        f"{manifest.name} {manifest.version}\n"
    )


if __name__ == "__main__":
    main()
