"""Links to overlays and masks can be opened in a browser, by settings."""

from __future__ import annotations

import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from damage_tasks import find_inspections, get_inspection
from damage_tasks.errors import SettingsError
from damage_tasks.results.store import Inspections
from damage_tasks.settings import Settings
from damage_tasks.storage.picture_links import PictureLinks
from damage_tasks.storage.s3 import Bucket
from tools.sample_pictures_and_results import finding, inspection

BASE = "https://overlays.acme.example/damage"


@pytest.fixture(scope="module")
def key_pair() -> dict[str, Any]:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "links": "cloudfront",
        "link_host": "d111.cloudfront.net",
        "cloudfront_key_pair_id": "K2JCJMDEHXQW5F",
        "cloudfront_private_key": pem.decode(),
    }


def test_a_presigned_link_opens_the_picture(bucket: str) -> None:
    address = Bucket(bucket).put("overlays/a b+ü.jpg", b"picture", "image/jpeg")
    link = PictureLinks(Settings(links="presigned", link_seconds=60)).link(address)
    assert link is not None
    query = parse_qs(urlsplit(link).query)
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    with urllib.request.urlopen(link, timeout=60) as answer:
        assert answer.read() == b"picture"


def test_a_link_to_an_address_with_a_base_url_names_the_object(bucket: str) -> None:
    settings = Settings(links="presigned", bucket=bucket, overlay_base_url=BASE)
    address = Bucket(bucket, BASE).put("overlays/a.jpg", b"picture", "image/jpeg")
    assert address == f"{BASE}/overlays/a.jpg"
    link = PictureLinks(settings).link(address)
    assert link is not None
    with urllib.request.urlopen(link, timeout=60) as answer:
        assert answer.read() == b"picture"


def test_a_cloudfront_link_is_signed_and_ends(key_pair: dict[str, Any]) -> None:
    links = PictureLinks(Settings(**key_pair, link_seconds=60))
    link = links.link("s3://bucket/overlays/a b.jpg")
    assert link is not None
    assert link.startswith("https://d111.cloudfront.net/overlays/a%20b.jpg?Expires=")
    assert {"Expires", "Signature", "Key-Pair-Id"} <= set(parse_qs(urlsplit(link).query))


@pytest.mark.parametrize("missing", ["link_host", "cloudfront_private_key"])
def test_cloudfront_needs_its_host_and_key_pair(key_pair: dict[str, Any], missing: str) -> None:
    with pytest.raises(ValueError, match="DAMAGE_LINKS=cloudfront needs DAMAGE_LINK_HOST"):
        Settings(**{**key_pair, missing: None})


def test_asking_for_links_without_a_setting_says_what_to_set() -> None:
    with pytest.raises(SettingsError, match="Set it to presigned or cloudfront"):
        PictureLinks(Settings())


@pytest.mark.parametrize("address", [None, "https://elsewhere.example/a.jpg"])
def test_other_addresses_stay_as_they_are(key_pair: dict[str, Any], address: str | None) -> None:
    assert PictureLinks(Settings(**key_pair)).link(address) == address


def test_callers_get_links_where_they_ask_for_them(
    key_pair: dict[str, Any], migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Inspections(migrated_sqlite_url)
    store.save(inspection("task-1", finding()))
    store.save(inspection("task-2", finding(overlay_url=None, mask_url=None), sha256="2" * 64))
    store.close()
    monkeypatch.setenv("DAMAGE_DATABASE_URL", migrated_sqlite_url)
    for name, value in key_pair.items():
        monkeypatch.setenv(f"DAMAGE_{name.upper()}", value)
    plain, opened = get_inspection("task-1"), get_inspection("task-1", links=True)
    assert plain is not None and opened is not None
    assert plain["state"] == opened["state"] == "done"
    assert plain["overlay_url"] == "s3://bucket/overlays/a.jpg"
    for name, path in (("overlay_url", "/overlays/a.jpg"), ("mask_url", "/masks/a.png")):
        assert opened[name].startswith(f"https://d111.cloudfront.net{path}?")  # type: ignore[literal-required]
    by_id = {one["id"]: one for one in find_inspections(links=True).inspections}
    assert (by_id["task-1"]["mask_url"] or "").startswith("https://d111.cloudfront.net/masks/")
    assert by_id["task-2"]["mask_url"] is None
