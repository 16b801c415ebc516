"""Misbehaving web servers, and downloads from them with permissive settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from damage_tasks.photos.http_download import HttpDownload
from damage_tasks.photos.url_policy import HttpUrl, parse_url
from damage_tasks.settings import Settings
from damage_tasks.storage.s3 import Signer

PHOTO = bytes(range(256)) * 40
MAX_PHOTO_BYTES = 20_000
Page = Callable[[BaseHTTPRequestHandler], None]


def settings_with(**changes: Any) -> Settings:
    """Settings with small limits that allow a server on this machine, with ``changes``."""
    relaxed = {
        "allow_http": True,
        "allow_private_addresses": True,
        "max_photo_bytes": MAX_PHOTO_BYTES,
        "stall_timeout": 1,
        "download_timeout": 5,
    }
    return Settings(**{**relaxed, **changes})


def get(url: str, **changes: Any) -> bytes:
    """Download ``url`` with `settings_with` and ``changes``."""
    settings = settings_with(**changes)
    place = parse_url(url, settings)
    assert isinstance(place, HttpUrl)
    return HttpDownload(settings, Signer(settings)).get(place)


def raw(answer: bytes, *, then: bytes = b"", pause: float = 0.0) -> Page:
    """A page that sends exactly ``answer``, then repeats ``then`` with pauses."""

    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(answer)
        end = time.monotonic() + 30
        while then and time.monotonic() < end:
            time.sleep(pause)
            handler.wfile.write(then)

    return page


def head(status: str = "200 OK", *headers: str) -> bytes:
    """The status line and the headers of an HTTP response."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()
