"""Redirects are followed one at a time, each checked like the first URL."""

from __future__ import annotations

import io
from http.server import BaseHTTPRequestHandler

import pycurl
import pytest

from damage_tasks.errors import (
    DamageTaskError,
    PhotoNotFound,
    PhotoRefused,
    TooManyRedirects,
    UrlInvalid,
    UrlNotAllowed,
)
from damage_tasks.photos import address_guard
from damage_tasks.photos.url_policy import is_public
from tools.loopback_web_server import Site
from tools.misbehaving_web_servers import PHOTO, get, head, raw


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(site: Site, status: int) -> None:
    site.serve("/end/photo.jpg", PHOTO)
    site.redirect("/b", "../end/photo.jpg?x=1#y", status)
    site.redirect("/a", f"//127.0.0.1:{site.server.server_port}/b", status)
    assert get(site.redirect("/start", site.url + "/a", status)) == PHOTO
    assert site.requests == ["/start", "/a", "/b", "/end/photo.jpg?x=1"]


@pytest.mark.parametrize(
    ("location", "requested"),
    [
        (b"/photos/car 1.jpg", "/photos/car%201.jpg"),
        (b"  /photos/ok.jpg \t", "/photos/ok.jpg"),
        (b"/photos/Sch\xe4den.jpg", "/photos/Sch%E4den.jpg"),
        ("/photos/Schäden.jpg".encode(), "/photos/Sch%C3%A4den.jpg"),
        (b"/photos/car\t1.jpg", "/photos/car%091.jpg"),
        (b"/photos/car\x7f1.jpg", "/photos/car%7F1.jpg"),
        (b"/photos/car.jpg?of=left door&by=J\xf6rg", "/photos/car.jpg?of=left+door&by=J%F6rg"),
        (b"/photos/a%20b.jpg?x=http:/y", "/photos/a%20b.jpg?x=http:/y"),
        (b"http://127.0.0.1:PORT/car 1.jpg", "/car%201.jpg"),
        (b"//127.0.0.1:PORT/car 1.jpg", "/car%201.jpg"),
        (b"http:/127.0.0.1:PORT/one", "/one"),
        (b"HTTP:///127.0.0.1:PORT/three", "/three"),
        (b"http://127.1:PORT/short", "/short"),
        (b"car 1.jpg", "/a/car%201.jpg"),
        (b"?x=1 2", "/a/b?x=1+2"),
    ],
)
def test_a_location_is_read_as_libcurl_reads_it(
    site: Site, location: bytes, requested: str
) -> None:
    location = location.replace(b"PORT", b"%d" % site.server.server_port)
    redirect = head("302 Found", "Content-Length: 0")[:-2] + b"Location: %s\r\n\r\n" % location
    found = head("200 OK", f"Content-Length: {len(PHOTO)}") + PHOTO
    # Only once: `?x=1 2` leads to the same page.
    site.pages["/a/b"] = lambda handler: (
        raw(redirect)(handler) if len(site.requests) == 1 else raw(found)(handler)
    )
    site.pages[requested.partition("?")[0]] = site.pages.get(
        requested.partition("?")[0], raw(found)
    )
    assert get(site.url + "/a/b") == PHOTO
    assert site.requests == ["/a/b", requested]
    site.requests.clear()
    assert by_libcurl(site.url + "/a/b") == PHOTO
    assert site.requests == ["/a/b", requested]


def by_libcurl(url: str) -> bytes:
    """The body at ``url`` with redirects followed by libcurl itself."""
    body = io.BytesIO()
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.FOLLOWLOCATION, 1)
    curl.setopt(pycurl.PROXY, "")
    curl.setopt(pycurl.WRITEFUNCTION, body.write)
    curl.perform()
    return body.getvalue()


def test_one_redirect_more_than_allowed_is_too_many(site: Site) -> None:
    for number in range(5):
        site.redirect(f"/{number}", f"/{number + 1}")
    site.serve("/5", PHOTO)
    assert get(site.url + "/0", max_redirects=5) == PHOTO
    with pytest.raises(TooManyRedirects, match="more than 4"):
        get(site.url + "/0", max_redirects=4)
    with pytest.raises(TooManyRedirects, match="more than 0"):
        get(site.url + "/0", max_redirects=0)


def test_a_redirect_to_itself_is_noticed_at_once(site: Site) -> None:
    site.redirect("/a", "/b")
    site.redirect("/b", "/a")
    with pytest.raises(TooManyRedirects, match="to itself"):
        get(site.url + "/a", max_redirects=20)
    assert site.requests == ["/a", "/b"]


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("s3://photos/a.jpg", UrlNotAllowed),
        ("file:///etc/passwd", UrlNotAllowed),
        ("ftp://127.0.0.1/a", UrlNotAllowed),
        ("gopher://127.0.0.1:6379/_x", UrlNotAllowed),
        ("data:image/png;base64,AAAA", UrlNotAllowed),
        ("http://user:secret@127.0.0.1/a", UrlNotAllowed),
        ("http://[::1", UrlInvalid),
        ("http://[::1/a", UrlInvalid),
        ("http://", TooManyRedirects),
        ("http://a b/", UrlInvalid),
        ("http://sch\udce4den.example/", UrlInvalid),
        ("/a\\\\b", UrlInvalid),
        ("/" + "a" * 10_000, UrlInvalid),
        ("/\x00", PhotoRefused),
        ("/\udcff\udcfe", PhotoNotFound),
    ],
)
def test_a_redirect_to_elsewhere_is_rejected(
    site: Site, target: str, error: type[DamageTaskError]
) -> None:
    start = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
    site.pages["/a"] = raw(start + target.encode("utf-8", "surrogateescape") + b"\r\n\r\n")
    with pytest.raises(error) as caught:
        get(site.url + "/a", file_roots=("/etc",))
    assert "secret" not in str(caught.value)


def test_a_redirect_to_plain_http_is_checked_like_any_url(tls_site: Site, site: Site) -> None:
    url = tls_site.redirect("/a", site.serve("/b", PHOTO))
    assert get(url) == PHOTO
    with pytest.raises(UrlNotAllowed, match="DAMAGE_ALLOW_HTTP"):
        get(url, allow_http=False)


def test_a_redirect_to_a_host_that_is_not_allowed_is_not_followed(site: Site) -> None:
    port = site.server.server_port
    site.redirect("/a", f"http://localhost:{port}/b")
    site.serve("/b", PHOTO)
    with pytest.raises(UrlNotAllowed, match="DAMAGE_ALLOWED_HOSTS"):
        get(site.url + "/a", allowed_hosts=(f"127.0.0.1:{port}",))
    assert site.requests == ["/a"]


def test_the_connection_outlives_a_redirect_with_a_body(site: Site) -> None:
    ports = []

    def page(handler: BaseHTTPRequestHandler) -> None:
        ports.append(handler.client_address[1])
        body = b"moved " * 100
        handler.wfile.write(head("302 Found", "Location: /b", f"Content-Length: {len(body)}"))
        handler.wfile.write(body)

    site.pages["/a"] = page

    def next_page(handler: BaseHTTPRequestHandler) -> None:
        ports.append(handler.client_address[1])
        raw(head("200 OK", "Content-Length: 1") + b"x")(handler)

    site.pages["/b"] = next_page
    assert get(site.url + "/a") == b"x"
    assert len(set(ports)) == 1


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.2/", "http://[::1]/", "http://169.254.169.254/latest/meta-data/",
     "//10.0.0.1/", "https://localhost/", "http://2852039166/", "https://[::ffff:a00:1]/"],
)  # fmt: skip
def test_a_redirect_to_an_address_inside_is_not_followed(
    site: Site, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The site stands in for a public one; every other address is judged as usual.
    public = f"127.0.0.1:{site.server.server_port}"
    monkeypatch.setattr(
        address_guard, "is_public", lambda address: address == "127.0.0.1" or is_public(address)
    )
    with pytest.raises(UrlNotAllowed):
        get(
            site.redirect("/a", target),
            allow_private_addresses=False,
            allowed_hosts=(public, target.split("/")[2]),
        )
    assert site.requests == ["/a"]
