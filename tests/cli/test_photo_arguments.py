"""Command-line arguments become photos."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from damage_tasks.cli.photo_arguments import (
    describe_skipped,
    find_photos,
    path_of,
    unique_names,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.JPG", "a.heic", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def names(urls: list[str]) -> list[str]:
    return [path_of(url).name for url in urls]


def test_a_folder_means_the_photos_in_it(folder: Path) -> None:
    assert names(find_photos([str(folder)]).urls) == ["a.heic", "b.JPG"]


def test_a_pattern_means_the_files_that_match(folder: Path) -> None:
    assert names(find_photos([f"{folder}/*.J*"]).urls) == ["b.JPG"]


def test_a_file_is_taken_whatever_its_name(folder: Path) -> None:
    assert names(find_photos([str(folder / "c.txt")]).urls) == ["c.txt"]


def test_a_url_is_taken_as_it_is() -> None:
    assert find_photos(["s3://b/k.jpg"]).urls == ["s3://b/k.jpg"]


def test_paths_with_odd_characters_survive(tmp_path: Path) -> None:
    path = tmp_path / "Ä #1%?.jpg"
    path.write_bytes(b"")
    assert path_of(find_photos([str(path)]).urls[0]) == path


def test_every_photo_gets_its_own_safe_name() -> None:
    urls = ["s3://b/car.jpg", "https://x/car.png?sig=1", "https://x/CAR.webp", "https://x/"]
    assert [name for name, _ in unique_names(urls)] == ["car", "car-2", "CAR-3", "photo"]


def test_photos_of_windows_and_cameras_are_photos(tmp_path: Path) -> None:
    for name in ("a.jfif", "b.HIF", "c.mpo", "d.MPO"):
        (tmp_path / name).write_bytes(b"")
    found = find_photos([str(tmp_path)])
    assert names(found.urls) == ["a.jfif", "b.HIF", "c.mpo", "d.MPO"]
    assert not describe_skipped(found.skipped)


def test_skipped_files_are_counted_and_named(folder: Path) -> None:
    (folder / "more.jpg").mkdir()
    (folder / "._a.heic").write_bytes(b"")
    skipped = find_photos([str(folder)]).skipped
    assert describe_skipped(skipped) == (
        "skipped 3 without a photo's suffix: ._a.heic, c.txt, more.jpg/"
    )
    many = [Path(f"{number}.txt") for number in range(8)]
    assert describe_skipped(many).endswith(": 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 3 more")


def test_names_that_are_not_utf_8_are_found_again(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/T\xfcr.jpg"))
    path.write_bytes(b"")
    path.with_suffix(".txt").write_bytes(b"")
    (url,), skipped = find_photos([str(tmp_path)])
    assert url.endswith("/T%FCr.jpg")
    assert path_of(url) == path
    assert [name for name, _ in unique_names([url])] == ["T_r"]
    assert describe_skipped(skipped).endswith(": T\ufffdr.txt")


@pytest.mark.parametrize("name", ["x" * 251 + ".jpg", "車" * 83 + ".jpg"])
def test_results_of_photos_with_very_long_names_can_be_written(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    (url,), _ = find_photos([str(tmp_path)])
    for short, _ in unique_names([url] * 12):
        (tmp_path / f"{short}.overlay.jpg").write_bytes(b"")
