"""The tests' web server reports its own errors, but not clients that hang up."""

from __future__ import annotations

import socket
import struct
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest

from tools.loopback_web_server import Site

AT_ONCE = struct.pack("ii", 1, 0)  # closing resets the connection


@pytest.fixture
def served() -> Site:
    """A server that has handled all connections when it is closed."""
    site = Site()
    site.server.daemon_threads = False
    return site


def ask(site: Site, path: str) -> None:
    """Ask for a page, receive the beginning of it, and hang up."""
    address = urlsplit(site.url)
    assert address.port
    with socket.create_connection(("127.0.0.1", address.port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        connection.recv(100)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)


@pytest.mark.parametrize("size", [1000, 10**7], ids=["after the page", "during the page"])
def test_a_client_that_hangs_up_is_not_reported(
    size: int, served: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    served.serve("/photo", bytes(size))
    ask(served, "/photo")
    served.close()
    assert capfd.readouterr().err == ""


def test_an_error_of_a_page_is_reported(served: Site, capfd: pytest.CaptureFixture[str]) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        raise ValueError("wrong page")

    served.pages["/photo"] = page
    ask(served, "/photo")
    served.close()
    assert "ValueError: wrong page" in capfd.readouterr().err
