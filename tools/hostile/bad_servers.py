"""Web servers that misbehave."""

from __future__ import annotations

import gzip
import socket
import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

from tools.drawn_photo_files import encode, textured
from tools.hostile.hostile_case import EXAMINED, Case, Ground, case_of_url, failed, rejected
from tools.misbehaving_web_servers import Page, head, raw

# The outcome in this corpus of a photo whose server is unavailable.
GIVEN_UP = failed("retries_exhausted")
REFUSED = rejected("photo_refused")
NOT_FOUND = rejected("photo_not_found")
FORBIDDEN = rejected("photo_forbidden")
TOO_LARGE = rejected("photo_too_large")
NOT_ALLOWED = rejected("url_not_allowed")
INVALID = rejected("url_invalid")
ENDLESS = rejected("too_many_redirects")


def photo(seed: int = 0) -> bytes:
    """A photo for misbehaving servers to send."""
    return encode(textured(200 + seed, 150), "JPEG")


def silent(handler: BaseHTTPRequestHandler) -> None:
    """Accept the request and send nothing until the client gives up."""
    handler.close_connection = True
    handler.connection.settimeout(20)
    handler.connection.recv(1)


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Reset the connection in the middle of the body."""
    handler.wfile.write(head("200 OK", "Content-Length: 5000") + photo()[:2000])
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True


def statuses() -> Iterator[tuple[str, frozenset[str]]]:
    """Outcomes that depend on the status alone."""
    yield "400 Bad Request", REFUSED
    yield "401 Unauthorized", FORBIDDEN
    yield "402 Payment Required", REFUSED
    yield "403 Forbidden", FORBIDDEN
    yield "404 Not Found", NOT_FOUND
    yield "407 Proxy Authentication Required", FORBIDDEN
    yield "410 Gone", NOT_FOUND
    yield "418 I'm a teapot", REFUSED
    yield "451 Unavailable For Legal Reasons", REFUSED
    yield "304 Not Modified", REFUSED
    yield "204 No Content", rejected("not_a_photo")
    yield "429 Too Many Requests", GIVEN_UP
    yield "500 Internal Server Error", GIVEN_UP
    yield "503 Service Unavailable", GIVEN_UP


def answers() -> Iterator[tuple[str, Page, frozenset[str]]]:
    """Responses that are not what they claim."""
    body = photo()
    length = f"Content-Length: {len(body)}"
    kind = "Content-Type: image/jpeg"
    junk = b"x" * 16_384
    yield (
        "a photo declared as HTML",
        raw(head("200 OK", length, "Content-Type: text/html") + body),
        EXAMINED,
    )
    yield (
        "HTML declared as a photo",
        raw(head("200 OK", kind) + b"<html></html>"),
        rejected("not_a_photo"),
    )
    yield (
        "PDF declared as a photo",
        raw(head("200 OK", kind) + b"%PDF-1.7\n"),
        rejected("not_a_photo"),
    )
    more = f"Content-Length: {len(body) + 1000}"
    yield "a length that is too long", raw(head("200 OK", more) + body), GIVEN_UP
    less = f"Content-Length: {len(body) // 2}"
    yield (
        "a length that is too short",
        raw(head("200 OK", less) + body),
        rejected("photo_unreadable"),
    )
    yield "a length of -1", raw(head("200 OK", "Content-Length: -1") + body), EXAMINED | REFUSED
    yield (
        "a length that is not a number",
        raw(head("200 OK", "Content-Length: x") + body),
        EXAMINED | REFUSED,
    )
    both = head("200 OK", length, "Content-Length: 7")
    yield (
        "two lengths",
        raw(both + body),
        EXAMINED | REFUSED | rejected("photo_unreadable", "not_a_photo"),
    )
    yield "a length of 10 GB", raw(head("200 OK", "Content-Length: 10000000000") + body), TOO_LARGE
    yield "an endless body", raw(head("200 OK", kind), then=junk), TOO_LARGE
    chunked = head("200 OK", "Transfer-Encoding: chunked")
    yield "endless chunks", raw(chunked, then=b"4000\r\n" + junk + b"\r\n"), TOO_LARGE
    yield "invalid chunks", raw(chunked + b"zz\r\n" + body), GIVEN_UP | REFUSED
    yield "a very slow body", raw(head("200 OK", length), then=body[:1], pause=0.3), GIVEN_UP
    yield "very slow headers", raw(b"HTTP/1.1 200 OK\r\nX: ", then=b"y", pause=0.3), GIVEN_UP
    yield (
        "endless headers",
        raw(b"HTTP/1.1 200 OK\r\n", then=b"X: " + b"y" * 4096 + b"\r\n"),
        REFUSED,
    )
    yield "one endless header", raw(b"HTTP/1.1 200 OK\r\nX: ", then=junk), REFUSED | GIVEN_UP
    yield "silence", silent, GIVEN_UP
    yield "a reset in the body", reset, GIVEN_UP
    yield "an empty response", raw(b""), GIVEN_UP
    yield "SSH", raw(b"SSH-2.0-OpenSSH_9.2\r\n"), REFUSED
    yield "a body without headers", raw(body), REFUSED
    yield (
        "NUL in the headers",
        raw(b"HTTP/1.1 200 OK\r\nX: \0\r\n\r\n" + body),
        EXAMINED | REFUSED | GIVEN_UP,
    )
    packed = gzip.compress(bytes(10_000_000))
    bomb = head("200 OK", "Content-Encoding: gzip", f"Content-Length: {len(packed)}") + packed
    yield "a gzip bomb", raw(bomb), rejected("not_a_photo")
    yield (
        "a very large cookie",
        raw(head("200 OK", length, "Set-Cookie: a=" + "b" * 9000) + body),
        EXAMINED,
    )


def redirects(base: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Targets of redirects; ``base`` is the site itself."""
    yield "itself", f"{base}/redirect/itself", ENDLESS
    yield "one more than allowed", f"{base}/redirect/chain/1", ENDLESS
    yield "a file", "file:///etc/passwd", NOT_ALLOWED
    yield "a bucket", "s3://damage-photos/car.jpg", NOT_ALLOWED
    yield "FTP", "ftp://127.0.0.1/a.jpg", NOT_ALLOWED
    yield "Gopher", "gopher://127.0.0.1:6379/_FLUSHALL", NOT_ALLOWED
    yield "data", "data:image/jpeg;base64,AAAA", NOT_ALLOWED
    yield "credentials", base.replace("://", "://user:secret@") + "/a.jpg", NOT_ALLOWED
    yield "half an IPv6 address", "http://[::1/a.jpg", INVALID
    yield "a host with a space", "http://a b/c.jpg", INVALID
    yield "10 KB of path", "/" + "a" * 10_000, INVALID
    yield "a closed port", "http://127.0.0.1:1/a.jpg", GIVEN_UP


def cases(ground: Ground) -> Iterator[Case]:
    """Each behaviour at its own path."""
    site = ground.site
    for status, expected in statuses():
        path = f"/status/{status[:3]}.jpg"
        site.pages[path] = raw(head(status, "Content-Length: 0"))
        yield case_of_url(f"server says {status}", site.url + path, expected)
    for number, (name, page, expected) in enumerate(answers()):
        path = f"/answer/{number}.jpg"
        site.pages[path] = page
        yield case_of_url(f"server sends {name}", site.url + path, expected)
    for number in range(1, 6):
        site.redirect(f"/redirect/chain/{number}", f"/redirect/chain/{number + 1}")
    for name, target, expected in redirects(site.url):
        path = f"/redirect/{name.replace(' ', '-')}"
        site.pages[path] = raw(head("302 Found", f"Location: {target}", "Content-Length: 0"))
        yield case_of_url(f"redirect to {name}", site.url + path, expected)
