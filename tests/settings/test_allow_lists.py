"""Entries of allow-lists are normalised, and those that can never match are rejected."""

from __future__ import annotations

from pathlib import Path

import pytest

from damage_tasks.errors import SettingsError
from damage_tasks.settings import get_settings


@pytest.mark.parametrize(
    ("entry", "normalised"),
    [
        ("Photos.ACME.example", "photos.acme.example"),
        ("photos.acme.example.", "photos.acme.example"),
        ("*.ACME.example.", "*.acme.example"),
        ("straße.example:8443", "xn--strae-oqa.example:8443"),
        ("*.schäden.example", "*.xn--schden-dua.example"),
        ("acme.example:", "acme.example"),
        ("127.1:8080", "127.0.0.1:8080"),
        ("2606:4700:0::1", "[2606:4700::1]"),
        ("[2606:4700:0:0::1]:8443", "[2606:4700::1]:8443"),
    ],
)
def test_a_host_is_normalised(monkeypatch: pytest.MonkeyPatch, entry: str, normalised: str) -> None:
    monkeypatch.setenv("DAMAGE_ALLOWED_HOSTS", entry)
    assert get_settings().allowed_hosts == (normalised,)


@pytest.mark.parametrize(
    ("variable", "entry"),
    [
        ("ALLOWED_HOSTS", "https://photos.acme.example"),
        ("ALLOWED_HOSTS", "photos.acme.example/cars"),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "*."),
        ("ALLOWED_HOSTS", "*acme.example"),
        ("ALLOWED_HOSTS", "photos.*"),
        ("ALLOWED_HOSTS", "*.*.example"),
        ("ALLOWED_HOSTS", "*.10.0.0.1"),
        ("ALLOWED_HOSTS", "*.[2606:4700::1]"),
        ("ALLOWED_HOSTS", "[2606:4700::1"),
        ("ALLOWED_HOSTS", "10.0.0.0/8"),
        ("ALLOWED_HOSTS", "10.0.0.256"),
        ("ALLOWED_HOSTS", "acme.example:0"),
        ("ALLOWED_HOSTS", "acme.example:https"),
        ("ALLOWED_HOSTS", "acme.example:70000"),
        ("ALLOWED_HOSTS", "acme example"),
        ("ALLOWED_BUCKETS", "s3://acme-photos"),
        ("ALLOWED_BUCKETS", "acme-photos/"),
        ("ALLOWED_BUCKETS", "Acme-Photos"),
        ("ALLOWED_BUCKETS", "acme_photos"),
        ("ALLOWED_BUCKETS", "acme-*"),
        ("ALLOWED_BUCKETS", "arn:aws:s3:::acme-photos"),
        ("ALLOWED_BUCKETS", "acme..photos"),
        ("ALLOWED_BUCKETS", "schäden"),
        ("CLOUDFRONT_HOSTS", "*.cloudfront.net"),
        ("CLOUDFRONT_HOSTS", "d1.cloudfront.net:443"),
        ("CLOUDFRONT_HOSTS", "https://d1.cloudfront.net"),
        ("FILE_ROOTS", "file:///srv/photos"),
    ],
)
def test_an_entry_that_can_never_match_is_named_at_the_start(
    monkeypatch: pytest.MonkeyPatch, variable: str, entry: str
) -> None:
    monkeypatch.setenv(f"DAMAGE_{variable}", f"fine.example,{entry}")
    with pytest.raises(SettingsError) as caught:
        get_settings()
    text = str(caught.value)
    assert text.startswith(f'DAMAGE_{variable}: "{entry}" ')
    assert "Example: DAMAGE_" in text
    assert "\n" not in text


def test_an_entry_with_a_password_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMAGE_ALLOWED_HOSTS", "https://user:hunter2@photos.acme.example")
    with pytest.raises(SettingsError, match=r"photos\.acme\.example") as caught:
        get_settings()
    assert "hunter2" not in str(caught.value)


def test_a_folder_may_be_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMAGE_FILE_ROOTS", "~/photos,/srv/photos")
    assert get_settings().file_roots == (str(Path.home() / "photos"), "/srv/photos")
