"""CloudFront signatures: only for our hosts, valid, and never shown to anyone else."""

from __future__ import annotations

import base64
import json
import logging
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from damage_tasks.errors import DamageTaskError
from damage_tasks.telemetry import redact
from tools.loopback_web_server import Site
from tools.misbehaving_web_servers import PHOTO, Page, get, head, raw

KEY_PAIR = "K2JCJMDEHXQW5F"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def ours(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    """Settings in which 127.0.0.1 is one of our CloudFront hosts."""
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "cloudfront_hosts": ("127.0.0.1",),
        "cloudfront_key_pair_id": KEY_PAIR,
        "cloudfront_private_key": pem.decode(),
    }


def verify(url: str, key: rsa.RSAPrivateKey) -> None:
    """Verify a signed URL like CloudFront; raises if the signature is wrong."""
    query = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert query["Key-Pair-Id"] == [KEY_PAIR]
    expires = int(query["Expires"][0])
    assert 60 < expires - time.time() < 600
    resource = url[: url.index("Expires=") - 1]
    # The canned policy, to the letter:
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html
    condition = {"DateLessThan": {"AWS:EpochTime": expires}}
    policy = json.dumps(
        {"Statement": [{"Resource": resource, "Condition": condition}]}, separators=(",", ":")
    )
    letters = str.maketrans("-_~", "+=/")
    signature = base64.b64decode(query["Signature"][0].translate(letters))
    key.public_key().verify(signature, policy.encode(), padding.PKCS1v15(), hashes.SHA1())


@pytest.mark.parametrize("query", ["", "?size=l&v=2"])
def test_a_url_of_our_host_is_signed_validly(
    site: Site, key: rsa.RSAPrivateKey, ours: dict[str, Any], query: str
) -> None:
    assert get(site.serve("/a%20b.jpg", PHOTO) + query, **ours) == PHOTO
    verify(site.url + site.requests[0], key)


def test_a_url_of_another_host_is_not_signed(site: Site, ours: dict[str, Any]) -> None:
    get(site.serve("/a", PHOTO).replace("127.0.0.1", "localhost"), **ours)
    assert site.requests == ["/a"]


def test_a_url_that_its_caller_has_signed_is_left_alone(site: Site, ours: dict[str, Any]) -> None:
    signed = "/a?Expires=1&Signature=theirs&Key-Pair-Id=K1"
    get(site.serve("/a", PHOTO) + signed[2:], **ours)
    assert site.requests == [signed]


def test_a_redirect_to_our_host_is_signed_and_one_away_from_it_is_not(
    site: Site, key: rsa.RSAPrivateKey, ours: dict[str, Any]
) -> None:
    elsewhere = site.url.replace("127.0.0.1", "localhost")
    site.redirect("/start", site.url + "/middle")
    site.redirect("/middle", elsewhere + "/end")
    site.serve("/end", PHOTO)
    assert get(elsewhere + "/start", **ours) == PHOTO
    start, middle, end = site.requests
    assert (start, end) == ("/start", "/end")
    verify(site.url + middle, key)


@pytest.mark.parametrize(
    "page",
    [
        raw(head("404 Not Found")),
        raw(head("503 Busy")),
        raw(head("418 Teapot")),
        raw(b"junk\r\n"),
        raw(b""),
        raw(head("200 OK", "Content-Length: 5")),
        raw(head("200 OK", "Content-Length: 99999999")),
        raw(head(), then=b"x", pause=0.1),
        raw(head("302 Found", "Location: /a")),
        raw(head("302 Found", "Location: s3://photos/a")),
        raw(head("302 Found", "Location: http://127.0.0.1:9/a")),
        raw(head("302 Found", "Location: http://nothing.onion/a")),
    ],
)
def test_no_error_and_no_log_shows_a_signature(
    site: Site, ours: dict[str, Any], page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    site.pages["/a"] = page
    with pytest.raises(DamageTaskError) as caught:
        get(site.url + "/a", download_timeout=0.4, **ours)
    assert "Signature=" in site.requests[0]
    shown = repr(caught.value) + str(caught.value) + caplog.text
    for secret in ("Signature", "Key-Pair-Id", KEY_PAIR):
        assert secret not in shown


def test_a_signed_url_is_redacted_where_it_is_logged() -> None:
    text = "from https://d1.cloudfront.net/a?Expires=1&Signature=s-_~&Key-Pair-Id=K: no"
    assert redact(text) == "from https://d1.cloudfront.net/a?[redacted] no"
