"""The addresses from which photos may be downloaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from damage_tasks.errors import UrlInvalid, UrlNotAllowed
from damage_tasks.photos.url_policy import FileUrl, HttpUrl, S3Url, is_public, parse_url
from damage_tasks.settings import Settings


def http_url(url: str, **settings: Any) -> HttpUrl:
    place = parse_url(url, Settings(**settings))
    assert isinstance(place, HttpUrl)
    return place


# --- https and http


@pytest.mark.parametrize(
    ("url", "requested"),
    [
        ("https://photos.acme.example", "https://photos.acme.example/"),
        ("HTTPS://Photos.ACME.example/A.jpg", "https://photos.acme.example/A.jpg"),
        ("https://photos.acme.example./a.jpg", "https://photos.acme.example/a.jpg"),
        ("https://photos.acme.example:443/a.jpg", "https://photos.acme.example/a.jpg"),
        ("https://photos.acme.example:/a.jpg", "https://photos.acme.example/a.jpg"),
        ("https://acme.example/a/../b/./c.jpg", "https://acme.example/a/../b/./c.jpg"),
        ("https://acme.example/a%20b%2Fc.jpg", "https://acme.example/a%20b%2Fc.jpg"),
        ("https://acme.example/schäden/ü.jpg", "https://acme.example/sch%C3%A4den/%C3%BC.jpg"),
        ("https://acme.example/a.jpg#part", "https://acme.example/a.jpg"),
        ("https://acme.example/a.jpg?", "https://acme.example/a.jpg"),
        (
            "https://acme.example/a?X-Amz-Signature=a~b-c_d.e%2F&x=1+2",
            "https://acme.example/a?X-Amz-Signature=a~b-c_d.e%2F&x=1+2",
        ),
        ("https://schäden.example/a", "https://xn--schden-dua.example/a"),
        ("https://straße.example/a", "https://xn--strae-oqa.example/a"),
        ("https://\uff21\uff22\uff23\u3002example/a", "https://abc.example/a"),
        ("https://134744072/a", "https://8.8.8.8/a"),
        ("https://[2606:4700::6810:85E5]/a", "https://[2606:4700::6810:85e5]/a"),
        ("https://8.8.8.8/a", "https://8.8.8.8/a"),
    ],
)
def test_a_web_address_is_put_together_again(url: str, requested: str) -> None:
    assert http_url(url).text == requested


@pytest.mark.parametrize(
    "url",
    [
        "",
        "photo.jpg",
        "//acme.example/a.jpg",
        "https:",
        "https://",
        "https:///a.jpg",
        "https:a.jpg",
        "https://?a",
        "https://acme.example:0/a",
        "https://acme.example:65536/a",
        "https://acme.example:-1/a",
        "https://acme.example:\uff18\uff10/a",
        "https://acme.example:80:80/a",
        "https://acme..example/a",
        "https://-acme.example/a",
        "https://acme.example../a",
        "https://" + "a" * 64 + ".example/a",
        "https://" + "a." * 130 + "example/a",
        "https://acme%2eexample/a",
        "https://acme.example\\@10.0.0.1/a",
        "https://acme.example /a",
        "https://acme.example/a b",
        "https://acme.example/a\tb",
        "https://acme.example/a\r\nHost: x",
        "https://acme.example/\x00",
        "https://acme.example/\u3000",
        "https://acme.example/\ud800",
        "https://[::1",
        "https://[::1]x/a",
        "https://[v1.fe]/a",
        "https://[fe80::1%25eth0]/a",
        "https://ex℀mple/a",
        "https://1.2.3.4.5/a",
        "https://10.0.0.256/a",
        "https://acme.example/" + "a" * 10_000,
        " https://acme.example/a",
    ],
)
def test_text_that_is_not_a_web_address_is_invalid(url: str) -> None:
    with pytest.raises(UrlInvalid):
        http_url(url)


@pytest.mark.parametrize("url", [None, 7, b"https://acme.example/a", ["https://a.example"], {}])
def test_a_url_that_is_not_text_is_invalid(url: object) -> None:
    with pytest.raises(UrlInvalid, match="must be a string"):
        parse_url(url, Settings())


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.example/a",
        "ftp://acme.example/a",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "dict://127.0.0.1/",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "https+unix://acme.example/a",
        "file:///etc/passwd",
        "https://user@acme.example/a",
        "https://user:secret@acme.example/a",
        "https://:@acme.example/a",
        "https://acme.example@10.0.0.1/a",
        "https://acme.example:22/a",
        "https://acme.example:8443/a",
        "https://acme.example:80/a",
    ],
)
def test_schemes_credentials_and_odd_ports_are_not_allowed(url: str) -> None:
    with pytest.raises(UrlNotAllowed):
        http_url(url)


def test_a_malformed_host_does_not_show_the_password_before_it() -> None:
    with pytest.raises(UrlInvalid) as caught:
        http_url("https://user:secret@ex℀mple/a")
    assert "secret" not in str(caught.value)


def test_http_and_any_port_are_for_development() -> None:
    relaxed = {"allow_http": True, "allow_private_addresses": True}
    assert http_url("http://localhost:8080/a", **relaxed) == HttpUrl(
        "http://localhost:8080/a", "localhost", 8080
    )


# --- the list of allowed hosts


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("photos.acme.example", "https://photos.acme.example/a"),
        ("Photos.ACME.example", "https://photos.acme.example./a"),
        ("*.acme.example", "https://photos.acme.example/a"),
        ("*.acme.example", "https://a.b.acme.example/a"),
        ("acme.example:8443", "https://acme.example:8443/a"),
        ("*.acme.example:8443", "https://a.acme.example:8443/a"),
        ("[2606:4700::1]", "https://[2606:4700::1]/a"),
        ("[2606:4700::1]:8443", "https://[2606:4700:0::1]:8443/a"),
        ("2606:4700:0:0::1", "https://[2606:4700::1]/a"),
        ("photos.acme.example.", "https://photos.acme.example/a"),
        ("straße.example", "https://xn--strae-oqa.example/a"),
        ("xn--strae-oqa.example", "https://STRAẞE.example/a"),
        ("*.schäden.example", "https://a.schäden.example/a"),
        ("8.8.8.8", "https://134744072/a"),
    ],
)
def test_a_host_on_the_list_is_allowed(entry: str, url: str) -> None:
    http_url(url, allowed_hosts=("other.example", entry))


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("acme.example", "https://photos.acme.example/a"),
        ("acme.example", "https://acme.example.evil.example/a"),
        ("acme.example", "https://notacme.example/a"),
        ("*.acme.example", "https://acme.example/a"),
        ("*.acme.example", "https://notacme.example/a"),
        ("*.acme.example", "https://acme.example.evil.example/a"),
        ("acme.example", "https://acme.example:8443/a"),
        ("acme.example:8443", "https://acme.example/a"),
        ("acme.example", "https://10.0.0.1/acme.example"),
        ("acme.example", "https://evil.example/?acme.example"),
        ("acme.example", "https://evil.example/#.acme.example"),
        ("[2606:4700::1]", "https://[2606:4700::2]/a"),
        # One host in IDNA 2003, but two for browsers.
        ("strasse.example", "https://straße.example/a"),
        ("straße.example", "https://strasse.example/a"),
    ],
)
def test_a_host_not_on_the_list_is_not_allowed(entry: str, url: str) -> None:
    with pytest.raises(UrlNotAllowed, match="DAMAGE_ALLOWED_HOSTS"):
        http_url(url, allowed_hosts=("other.example", entry))


# --- s3


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("s3://photos/a.jpg", "a.jpg"),
        ("S3://photos/a/b//c.jpg", "a/b//c.jpg"),
        ("s3://photos/a%20b+c.jpg", "a b+c.jpg"),
        ("s3://photos/a?b#c?", "a?b#c?"),
        ("s3://photos/ü", "ü"),
        ("s3://photos//a", "/a"),
        ("s3://photos/..a/...", "..a/..."),
    ],
)
def test_everything_after_the_bucket_is_the_key(url: str, key: str) -> None:
    assert parse_url(url, Settings()) == S3Url("photos", key)


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:photos/a",
        "s3://photos",
        "s3://photos/",
        "s3://ab/a",
        "s3://" + "a" * 64 + "/a",
        "s3://Photos/a",
        "s3://pho_tos/a",
        "s3://-photos/a",
        "s3://pho..tos/a",
        "s3://user@photos/a",
        "s3://photos:80/a",
        "s3://arn:aws:s3:::photos/a",
        "s3://pho%74os/a",
        "s3://photos?x/a",
        "s3://photos/" + "ü" * 513,
        "s3://photos/../secrets/a",
        "s3://photos/a/./b",
        "s3://photos/%2e%2e/secrets/a",
        "s3://photos/..",
        "s3://photos/sch%E4den.jpg",
    ],
)
def test_a_malformed_bucket_or_key_is_invalid(url: str) -> None:
    with pytest.raises(UrlInvalid):
        parse_url(url, Settings())


def test_a_bucket_not_on_the_list_is_not_allowed() -> None:
    settings = Settings(allowed_buckets=("photos",))
    assert parse_url("s3://photos/a", settings) == S3Url("photos", "a")
    with pytest.raises(UrlNotAllowed, match="DAMAGE_ALLOWED_BUCKETS"):
        parse_url("s3://secrets/a", settings)


# --- file


def test_a_file_inside_an_allowed_folder_is_allowed(tmp_path: Path) -> None:
    settings = Settings(file_roots=("/nowhere", str(tmp_path)))
    photo = tmp_path.resolve() / "a b.jpg"
    assert parse_url(f"file://{tmp_path}/a%20b.jpg", settings) == FileUrl(photo)
    assert parse_url(f"file://localhost{tmp_path}/x/../a%20b.jpg", settings) == FileUrl(photo)


def test_a_file_is_found_by_the_bytes_of_its_name(tmp_path: Path) -> None:
    photo = tmp_path.resolve() / os.fsdecode(b"sch\xe4den.jpg")
    settings = Settings(file_roots=(str(tmp_path),))
    assert parse_url(f"file://{tmp_path}/sch%E4den.jpg", settings) == FileUrl(photo)


@pytest.mark.parametrize("path", ["/etc/passwd", "{root}/../x", "{root}/%2e%2e/x", "{root}2/x"])
def test_a_file_outside_the_allowed_folders_is_not_allowed(path: str, tmp_path: Path) -> None:
    settings = Settings(file_roots=(str(tmp_path / "photos"),))
    with pytest.raises(UrlNotAllowed, match="outside"):
        parse_url("file://" + path.format(root=tmp_path / "photos"), settings)


def test_a_link_that_leads_out_of_the_folder_is_not_allowed(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    (root / "link.jpg").symlink_to("/etc/passwd")
    (root / "inside.jpg").symlink_to(root / "a.jpg")
    settings = Settings(file_roots=(str(root),))
    with pytest.raises(UrlNotAllowed):
        parse_url(f"file://{root}/link.jpg", settings)
    assert parse_url(f"file://{root}/inside.jpg", settings) == FileUrl(root.resolve() / "a.jpg")


def test_a_path_that_cannot_be_followed_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    settings = Settings(file_roots=(str(tmp_path),))
    for path in (f"{tmp_path}/loop/a", f"{tmp_path}/%00", "a", ""):
        with pytest.raises(UrlInvalid):
            parse_url(f"file:{path}", settings)
    with pytest.raises(UrlInvalid, match="must not name a host"):
        parse_url("file://server/share/a.jpg", settings)


# --- IP addresses


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "52.219.0.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "192.167.0.1",
     "2606:4700::6810:85e5", "2a05:d07a:a000::1", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)  # fmt: skip
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.254", "127.0.0.1",
        "127.255.255.255", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255",
        "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
        "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::7f00:1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254",
        "ff02::1", "100::1", "2001:db8::1", "2001::1", "64:ff9b:1::a00:1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1",
        # Metadata services of Oracle and Azure, and addresses on which Python releases differ.
        "192.0.0.192", "64:ff9b::c000:c0", "168.63.129.16", "192.88.99.1", "3fff::1",
        "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1",
    ],
)  # fmt: skip
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


# --- arbitrary text

urls = st.one_of(
    st.text(),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(
            ["https://", "http://", "s3://", "file://", "file:", "HTTPS:", "https://["]
        ),
        st.text(),
        st.text(st.sampled_from("/?#@:[]%.\\aZ0é\u3002\uff0e\u200d\xad")),
    ),
)


@pytest.mark.slow
@given(urls)
@example("file:///" + "a" * 5000)
@example("https://\xad.example/")
@example("https://a\u200d.example/")
def test_any_text_is_a_place_or_rejected_with_a_code(url: str) -> None:
    settings = Settings(file_roots=("/srv",), allow_http=True)
    try:
        place = parse_url(url, settings)
    except (UrlInvalid, UrlNotAllowed):
        return
    if isinstance(place, HttpUrl):
        assert place.text.isascii()
        assert parse_url(place.text, settings) == place
