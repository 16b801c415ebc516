"""Words on the command line become photos."""

from __future__ import annotations

from pathlib import Path

import pytest

from damage_tasks.cli.photo_arguments import find_photos, path_of, unique_names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.JPG", "a.heic", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def names(urls: list[str]) -> list[str]:
    return [path_of(url).name for url in urls]


def test_a_folder_means_the_photos_in_it(folder: Path) -> None:
    assert names(find_photos([str(folder)])) == ["a.heic", "b.JPG"]


def test_a_pattern_means_the_files_that_match(folder: Path) -> None:
    assert names(find_photos([f"{folder}/*.J*"])) == ["b.JPG"]


def test_a_file_is_taken_whatever_its_name(folder: Path) -> None:
    assert names(find_photos([str(folder / "c.txt")])) == ["c.txt"]


def test_a_url_is_taken_as_it_is() -> None:
    assert find_photos(["s3://b/k.jpg"]) == ["s3://b/k.jpg"]


def test_paths_with_odd_characters_survive(tmp_path: Path) -> None:
    path = tmp_path / "Ä #1%?.jpg"
    path.write_bytes(b"")
    assert path_of(find_photos([str(path)])[0]) == path


def test_every_photo_gets_a_safe_name_of_its_own() -> None:
    urls = ["s3://b/car.jpg", "https://x/car.png?sig=1", "https://x/CAR.webp", "https://x/"]
    assert [name for name, _ in unique_names(urls)] == ["car", "car-2", "CAR-3", "photo"]
