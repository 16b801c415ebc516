"""Replaces Slack and Sentry: prints what the worker would send them."""

from __future__ import annotations

import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8025


class Inbox(BaseHTTPRequestHandler):
    """Accepts every request."""

    def do_GET(self) -> None:
        self._answer(b"ok")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for line in body.decode(errors="replace").splitlines():
            print(self.path, _shown(line), flush=True)
        self._answer(b"{}" if "envelope" in self.path else b"ok")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _shown(line: str) -> str:
    try:
        return json.dumps(json.loads(line), indent=2)
    except ValueError:
        return line


if __name__ == "__main__":
    print(f"waiting on port {PORT}", file=sys.stderr)
    ThreadingHTTPServer(("", PORT), Inbox).serve_forever()
