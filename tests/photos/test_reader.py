"""Photos from the sources that the settings allow, within the limits of the settings."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.errors import (
    DownloadFailed,
    NotAPhoto,
    PhotoForbidden,
    PhotoNotFound,
    PhotoTooLarge,
    PhotoTooSmall,
    StorageUnavailable,
    TooManyPixels,
    UrlInvalid,
    UrlNotAllowed,
)
from damage_tasks.photos import PhotoReader
from damage_tasks.storage.s3 import s3_client
from tools.drawn_photo_files import encode, scene
from tools.loopback_web_server import Site
from tools.misbehaving_web_servers import settings_with

PHOTO = encode(scene(), "JPEG")


def reader(**settings: Any) -> PhotoReader:
    return PhotoReader(settings_with(**settings))


# --- sources


def test_a_photo_is_read_from_the_web(site: Site) -> None:
    assert reader().download(site.serve("/a.jpg", PHOTO)) == PHOTO


def test_a_photo_is_read_from_a_bucket(bucket: str) -> None:
    s3_client().put_object(Bucket=bucket, Key="cars/a b.jpg", Body=PHOTO)
    assert reader().download(f"s3://{bucket}/cars/a%20b.jpg") == PHOTO


def test_a_photo_is_read_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a b.jpg").write_bytes(PHOTO)
    assert reader(file_roots=(str(tmp_path),)).download(f"file://{tmp_path}/a%20b.jpg") == PHOTO


@pytest.mark.parametrize("url", ["", "photo.jpg", "ftp://acme.example/a", None, 5])
def test_anything_else_is_rejected(url: Any) -> None:
    with pytest.raises((UrlInvalid, UrlNotAllowed)):
        reader().download(url)


# --- limits


def test_the_size_limit_holds_everywhere(site: Site, bucket: str, tmp_path: Path) -> None:
    s3_client().put_object(Bucket=bucket, Key="a", Body=PHOTO)
    (tmp_path / "a").write_bytes(PHOTO)
    urls = [site.serve("/a", PHOTO), f"s3://{bucket}/a", f"file://{tmp_path}/a"]
    exact = reader(max_photo_bytes=len(PHOTO), file_roots=(str(tmp_path),))
    tight = reader(max_photo_bytes=len(PHOTO) - 1, file_roots=(str(tmp_path),))
    for url in urls:
        assert exact.download(url) == PHOTO
        with pytest.raises(PhotoTooLarge):
            tight.download(url)


def test_the_time_limit_holds_for_buckets_too(
    site: Site, monkeypatch: pytest.MonkeyPatch, aws: Any
) -> None:
    def drip(handler: Any) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        for _ in range(99):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    monkeypatch.setenv("AWS_ENDPOINT_URL", site.url)
    site.pages["/photos/a"] = drip
    with pytest.raises(StorageUnavailable, match="not read within"):
        reader(download_timeout=0.3).download("s3://photos/a")


def test_the_pixel_limits_are_those_of_the_settings() -> None:
    assert reader().decode(PHOTO, 0).pixels.shape == (200, 320, 3)
    with pytest.raises(PhotoTooSmall):
        reader(min_photo_side=201).decode(PHOTO, 0)
    with pytest.raises(TooManyPixels):
        reader(max_photo_pixels=63_999).decode(PHOTO, 0)


def test_a_page_that_names_itself_a_photo_is_judged_by_its_bytes(site: Site) -> None:
    page = b"<html>Not found</html>"
    data = reader().download(site.serve("/a.jpg", page, Content_Type="image/jpeg"))
    with pytest.raises(NotAPhoto):
        reader().decode(data, 0)


def test_a_photo_that_names_itself_a_page_is_a_photo(site: Site) -> None:
    data = reader().download(site.serve("/a.html", PHOTO, Content_Type="text/html"))
    assert reader().decode(data, 0).width == 320


# --- unsuitable files


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    photos = reader(file_roots=(str(tmp_path),))
    for name in ("a.jpg", "file/a.jpg", "a" * 300):
        with pytest.raises(PhotoNotFound):
            photos.download(f"file://{tmp_path}/{name}")


def test_folders_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    photos = reader(file_roots=(str(tmp_path), "/dev"))
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(UrlNotAllowed, match="not a regular file"):
            photos.download(f"file://{path}")


def test_an_incomplete_file_is_retried() -> None:
    # As on a network folder whose server is down.
    with pytest.raises(DownloadFailed, match="cannot be read"):
        reader(file_roots=("/proc",)).download("file:///proc/self/mem")


def test_a_file_that_must_not_be_read_is_forbidden(tmp_path: Path) -> None:
    (tmp_path / "a").touch(mode=0)
    photos = reader(file_roots=(str(tmp_path),))
    user = os.geteuid()
    if user == 0:  # root may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(PhotoForbidden):
            photos.download(f"file://{tmp_path}/a")
    finally:
        os.seteuid(user)


def test_a_link_that_is_put_in_place_after_the_check_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from damage_tasks.photos import reader as module
    from damage_tasks.photos.url_policy import FileUrl

    (tmp_path / "a").symlink_to("/etc/passwd")
    monkeypatch.setattr(module, "parse_url", lambda *_: FileUrl(tmp_path / "a"))
    with pytest.raises(PhotoNotFound):
        reader(file_roots=(str(tmp_path),)).download("file:///a")
