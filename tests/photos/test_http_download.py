"""Downloads over HTTP from a web server that misbehaves in many ways."""

from __future__ import annotations

import gzip
import socket
import time
from http.server import BaseHTTPRequestHandler

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from damage_tasks.errors import (
    DamageTaskError,
    DownloadFailed,
    PhotoForbidden,
    PhotoNotFound,
    PhotoRefused,
    PhotoTooLarge,
)
from damage_tasks.photos.http_response import HttpResponse
from tools.loopback_web_server import Site
from tools.misbehaving_web_servers import MAX_PHOTO_BYTES, PHOTO, Page, get, head, raw

# --- successful downloads


def test_the_body_comes_back_as_it_was_sent(site: Site) -> None:
    assert get(site.serve("/a.jpg", PHOTO)) == PHOTO


def test_a_chunked_body_comes_back_whole(site: Site) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (PHOTO[:7], PHOTO[7:]))
    site.pages["/a"] = raw(head("200 OK", "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")
    assert get(site.url + "/a") == PHOTO


def test_a_body_without_a_length_ends_with_the_connection(site: Site) -> None:
    site.pages["/a"] = raw(head() + PHOTO)
    assert get(site.url + "/a") == PHOTO


def test_a_body_ends_where_its_length_says(site: Site) -> None:
    site.pages["/a"] = raw(head("200 OK", "Content-Length: 5") + PHOTO)
    assert get(site.url + "/a") == PHOTO[:5]


def test_a_packed_body_is_not_unpacked(site: Site) -> None:
    packed = gzip.compress(b"\0" * 1_000_000)
    assert get(site.serve("/a", packed, Content_Encoding="gzip")) == packed
    assert "Accept-Encoding" not in site.headers[0]


def test_only_the_path_is_requested(site: Site) -> None:
    get(site.serve("/a/../b%20c/ü".replace("ü", "%C3%BC"), PHOTO) + "?x=1&y=%2F#part")
    assert site.requests == ["/a/../b%20c/%C3%BC?x=1&y=%2F"]
    assert site.headers[0].keys() == {"Host", "User-Agent", "Accept"}


def test_a_proxy_in_the_environment_is_not_used(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get(site.serve("/a", PHOTO)) == PHOTO


def test_early_hints_are_passed_over(site: Site) -> None:
    site.pages["/a"] = raw(
        head("103 Early Hints", "Location: /b") + head("200 OK", "Content-Length: 3") + b"abc"
    )
    assert get(site.url + "/a") == b"abc"


def test_a_hint_is_not_a_redirect(site: Site) -> None:
    site.pages["/a"] = raw(
        head("103 Early Hints", "Location: /b") + head("302 Found", "Content-Length: 0")
    )
    with pytest.raises(PhotoRefused, match="302"):
        get(site.url + "/a")


# --- statuses


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (300, PhotoRefused), (302, PhotoRefused), (304, PhotoRefused), (305, PhotoRefused),
        (400, PhotoRefused), (401, PhotoForbidden), (402, PhotoRefused), (403, PhotoForbidden),
        (404, PhotoNotFound), (405, PhotoRefused), (407, PhotoForbidden), (408, DownloadFailed),
        (410, PhotoNotFound), (416, PhotoRefused), (418, PhotoRefused), (425, DownloadFailed),
        (429, DownloadFailed), (451, PhotoRefused), (500, DownloadFailed), (502, DownloadFailed),
        (503, DownloadFailed), (504, DownloadFailed), (599, DownloadFailed), (999, DownloadFailed),
    ],
)  # fmt: skip
def test_a_status_decides_whether_the_photo_is_retried(
    site: Site, status: int, error: type[DamageTaskError]
) -> None:
    with pytest.raises(error, match=f"returned {status}"):
        get(site.serve("/a", b"", status))


def s3_error(code: str, message: str) -> bytes:
    return (
        f"<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>{code}</Code>"
        f"<Message>{message}</Message><RequestId>R</RequestId></Error>"
    ).encode()


@pytest.mark.parametrize(
    ("status", "code", "message", "error"),
    [
        (403, "AccessDenied", "Request has expired", PhotoForbidden),
        (400, "ExpiredToken", "The provided token has expired.", PhotoForbidden),
        (403, "SignatureDoesNotMatch", "They differ.", PhotoForbidden),
        (400, "InvalidToken", "It is malformed.", PhotoForbidden),
        (404, "NoSuchKey", "The specified key does not exist.", PhotoNotFound),
        (400, "InvalidRequest", "The object was stored with another key.", PhotoRefused),
        (405, "MethodNotAllowed", "The specified method is not allowed.", PhotoRefused),
        (400, "RequestTimeout", "Idle connections will be closed.", DownloadFailed),
        (409, "OperationAborted", "A conflicting operation is in progress.", DownloadFailed),
    ],
)
def test_an_answer_of_s3_is_named_by_its_own_code(
    site: Site, status: int, code: str, message: str, error: type[DamageTaskError]
) -> None:
    with pytest.raises(error) as caught:
        get(site.serve("/a", s3_error(code, message), status))
    assert str(caught.value) == f"the photo's server returned {status} {code}: {message}"


@pytest.mark.parametrize(
    "page",
    [b"<html><Code>AccessDenied</Code></html>", b"<Error><Code>a b</Code></Error>", b"\xff" * 99],
)
def test_what_only_looks_like_an_answer_of_s3_is_not_quoted(site: Site, page: bytes) -> None:
    with pytest.raises(PhotoRefused) as caught:
        get(site.serve("/a", page, 400))
    assert str(caught.value) == "the photo's server returned 400"


@pytest.mark.parametrize("status", [200, 201, 203, 206])
def test_any_success_with_a_body_is_the_photo(site: Site, status: int) -> None:
    assert get(site.serve("/a", PHOTO, status)) == PHOTO


def test_no_content_is_an_empty_photo(site: Site) -> None:
    site.pages["/a"] = raw(head("204 No Content"))
    assert get(site.url + "/a") == b""


@pytest.mark.parametrize(
    ("page", "error"),
    [
        (raw(head("404 Not Found"), then=b"x" * 65536), PhotoNotFound),
        (raw(head("503 Busy", "Content-Length: 99999999999"), then=b"x" * 65536), DownloadFailed),
        (raw(head("403 Forbidden", "Content-Length: 500") + b"cut off"), PhotoForbidden),
        (raw(head("403 Forbidden", "Transfer-Encoding: chunked") + b"junk\r\n"), PhotoForbidden),
    ],
    ids=["endless", "huge", "cut off", "junk"],
)
def test_the_body_of_an_error_does_not_matter(
    site: Site, page: Page, error: type[DamageTaskError]
) -> None:
    site.pages["/a"] = page
    with pytest.raises(error):
        get(site.url + "/a")


def test_an_endless_error_is_not_read_like_a_photo(site: Site) -> None:
    sent: list[int] = []

    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(head("404 Not Found"))
        while len(sent) < 1000:
            handler.wfile.write(b"x" * 65536)
            sent.append(1)

    site.pages["/a"] = page
    with pytest.raises(PhotoNotFound):
        get(site.url + "/a", max_photo_bytes=2**30)
    time.sleep(0.1)
    assert len(sent) < 500  # what fits into the buffers between


# --- sizes


def test_a_photo_of_exactly_the_limit_is_taken(site: Site) -> None:
    assert len(get(site.serve("/a", b"x" * MAX_PHOTO_BYTES))) == MAX_PHOTO_BYTES


def test_an_announced_size_beyond_the_limit_is_refused_unread(site: Site) -> None:
    site.pages["/a"] = raw(
        head("200 OK", f"Content-Length: {MAX_PHOTO_BYTES + 1}"), then=b"", pause=0
    )  # and no body at all
    with pytest.raises(PhotoTooLarge):
        get(site.url + "/a")


@pytest.mark.parametrize(
    "start",
    [
        head(),
        head("200 OK", "Content-Length: 99999999999999999999999999"),
        head("200 OK", "Transfer-Encoding: chunked") + b"fffffff\r\n",
    ],
    ids=["no length", "absurd length", "chunked"],
)
def test_an_endless_body_is_cut_off_at_the_limit(site: Site, start: bytes) -> None:
    site.pages["/a"] = raw(start, then=b"x" * 8192)
    with pytest.raises(PhotoTooLarge, match=f"more than {MAX_PHOTO_BYTES} bytes"):
        get(site.url + "/a")


@pytest.mark.parametrize(
    ("start", "then"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 8192),
        (b"", head("100 Continue", "X-A: " + "b" * 1000)),
    ],
    ids=["many", "long", "many heads"],
)
def test_endless_headers_are_refused(site: Site, start: bytes, then: bytes) -> None:
    site.pages["/a"] = raw(start, then=then)
    with pytest.raises(PhotoRefused):
        get(site.url + "/a")


# --- invalid responses


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", DownloadFailed),
        (head("200 OK", "Content-Length: 500") + b"cut off", DownloadFailed),
        (head("200 OK", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n", DownloadFailed),
        (head("200 OK", "Transfer-Encoding: chunked") + b"zz\r\nabc", DownloadFailed),
        (b"HTTP/1.1 200 OK\r\nContent-", DownloadFailed),
        (b"SSH-2.0-OpenSSH_9.2\r\n", PhotoRefused),
        (b"\xff\xd8\xff\xe0" + PHOTO, PhotoRefused),
        (b"HTTP/7.7 200 OK\r\n\r\n", PhotoRefused),
        (head("200 OK", "Content-Length: -5") + b"abc", PhotoRefused),
        (head("200 OK", "Content-Length: 3", "Content-Length: 4") + b"abcd", PhotoRefused),
        (head("200 OK", "Transfer-Encoding: gzip") + gzip.compress(PHOTO), PhotoRefused),
        (head("101 Switching Protocols", "Upgrade: x") + b"abc", PhotoRefused),
    ],
    ids=["nothing", "cut off", "cut off chunks", "junk chunks", "half a head", "ssh", "no head",
         "version", "negative length", "two lengths", "unknown coding", "upgrade"],
)  # fmt: skip
def test_an_incomplete_answer_is_retried_and_junk_is_not(
    site: Site, answer: bytes, error: type[DamageTaskError]
) -> None:
    site.pages["/a"] = raw(answer)
    with pytest.raises(error):
        get(site.url + "/a")


# --- time


@pytest.mark.parametrize(
    ("start", "then"),
    [
        (head("200 OK", "Content-Length: 9999"), b"x" * 500),
        (head("200 OK", "Transfer-Encoding: chunked"), b"1f4\r\n" + b"x" * 500 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        (b"", head("100 Continue")),
    ],
    ids=["body", "chunks", "headers", "heads"],
)
def test_a_drip_is_cut_off_when_the_time_is_up(site: Site, start: bytes, then: bytes) -> None:
    site.pages["/a"] = raw(start, then=then, pause=0.1)
    begin = time.monotonic()
    with pytest.raises(DownloadFailed):
        get(site.url + "/a", download_timeout=0.5, stall_timeout=300)
    assert time.monotonic() - begin < 15


@pytest.mark.slow
def test_a_stalled_body_is_cut_off_long_before_the_time_is_up(site: Site) -> None:
    site.pages["/a"] = raw(head("200 OK", "Content-Length: 9999"), then=b"x", pause=0.2)
    begin = time.monotonic()
    with pytest.raises(DownloadFailed, match="too slow"):
        get(site.url + "/a", download_timeout=60, stall_timeout=1)
    assert time.monotonic() - begin < 15


def test_the_time_is_for_all_redirects_together(site: Site) -> None:
    def slow(target: str) -> Page:
        def page(handler: BaseHTTPRequestHandler) -> None:
            time.sleep(2)
            handler.wfile.write(head("302 Found", f"Location: {target}", "Content-Length: 0"))

        return page

    for number in range(10):
        site.pages[f"/{number}"] = slow(f"/{number + 1}")
    begin = time.monotonic()
    with pytest.raises(DownloadFailed):
        get(site.url + "/0", download_timeout=0.5, max_redirects=20)
    assert time.monotonic() - begin < 10


def test_a_server_that_does_not_accept_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        # Linux drops connections beyond the full backlog.
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        begin = time.monotonic()
        with pytest.raises(DownloadFailed):
            get(f"http://127.0.0.1:{port}/a", connect_timeout=0.3)
        assert time.monotonic() - begin < 15
        for client in waiting:
            client.close()


def test_a_closed_port_is_retried() -> None:
    with pytest.raises(DownloadFailed, match="connect"):
        get("http://127.0.0.1:9/a")


@pytest.mark.parametrize("part", ["write", "header"])
def test_a_time_limit_that_strikes_inside_libcurl_is_not_taken_for_a_failed_download(
    site: Site, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def struck(*_: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(HttpResponse, part, struck)
    with pytest.raises(SoftTimeLimitExceeded):
        get(site.serve("/a.jpg", PHOTO))
