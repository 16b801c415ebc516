"""A caller's callback URL is used only if the settings allow its host."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from damage_tasks.deliveries.callbacks import allowed_callback
from damage_tasks.settings import Settings


def allow(*hosts: str, **settings: Any) -> Settings:
    return Settings(callback_hosts=hosts, **settings)


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("https://rental.example/hook", "rental.example"),
        ("https://RENTAL.example:443/hook", "rental.example"),
        ("https://rental.example:8443/", "rental.example:8443"),
        ("https://a.partner.example/x?y=1", "*.partner.example"),
        ("https://[2001:db8::1]/", "2001:db8::1"),
    ],
)
def test_a_host_on_the_list_is_allowed(url: str, entry: str) -> None:
    normal = allowed_callback(url, allow(entry))
    assert normal is not None
    assert normal.lower() == url.lower().replace(":443/", "/")


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/", "https://rental.example.evil/", "https://rental.example:8443/",
        "http://rental.example/", "https://user@rental.example/", "ftp://rental.example/",
        "https://rental.example\\@evil.example/", "rental.example", "", 7, {"url": "x"},
        "https://rental.example/" + "a" * 2048, "https://rental.example/#part",
        "https://[::1/", "https://rental.example/\u00e4", "arn:aws:sns:us-east-1:000000000000:t",
    ],
)  # fmt: skip
def test_any_other_callback_is_left_out_with_a_warning(
    url: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert allowed_callback(url, allow("rental.example")) is None
    assert "no event is sent to the callback URL" in caplog.text


def test_no_host_is_allowed_by_default() -> None:
    assert allowed_callback("https://rental.example/hook", Settings()) is None


def test_http_is_allowed_where_photos_may_use_it() -> None:
    settings = allow("rental.example:80", allow_http=True)
    assert allowed_callback("http://rental.example:80/hook", settings) == (
        "http://rental.example/hook"
    )


def test_a_photo_without_a_callback_causes_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert allowed_callback(None, Settings()) is None
    assert caplog.text == ""
