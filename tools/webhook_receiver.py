"""A receiver of webhooks on loopback, over HTTP or HTTPS, that can misbehave."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv4Address
from pathlib import Path
from threading import Event, Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tools.loopback_web_server import LoopbackServer

Behaviour = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True, slots=True)
class Request:
    """One request that arrived."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    at: float  # seconds since 1970
    client: tuple[str, int]  # address and port of the connection


class WebhookReceiver:
    """Accepts events until `close`; ``behave`` may be replaced at any time.

    ``requests`` are all that arrived completely, and ``accepted`` those that were answered with
    204.  With ``certificate``, a folder, it speaks HTTPS; `ca_file` is to be trusted then.
    """

    def __init__(self, certificate: Path | None = None, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.accepted: list[Request] = []
        self.behave: Behaviour = answer(204)
        self.ca_file = certificate and certificate / "receiver.pem"
        self._closed = Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.path, headers, body, time.time(), self.client_address)
                receiver.requests.append(request)
                self.closed = receiver._closed
                self.arrived = request
                receiver.behave(self)

            def send_response(self, code: int, message: str | None = None) -> None:
                # Before the answer leaves: who receives it must find the request here.
                if code == 204:
                    receiver.accepted.append(self.arrived)
                super().send_response(code, message)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = LoopbackServer(("127.0.0.1", port), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(_write_certificate(certificate / "receiver.pem"))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}/hook"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()


def answer(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer with ``status``."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if status != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def hang(handler: Any) -> None:
    """Do not answer until the receiver is closed."""
    handler.closed.wait(120)
    handler.close_connection = True


def close(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def _write_certificate(file: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
