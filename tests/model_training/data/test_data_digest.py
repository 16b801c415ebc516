"""The digest of labelled photos changes with photos, labels and split, and with nothing else."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from model_training.data.data_digest import digest_of
from model_training.data.labelled_photos import LabelledPhoto, PhotosError, Region

TRIANGLE = Region(2, ((1.0, 1.0), (9.0, 1.0), (5.0, 8.0)))


@pytest.fixture
def photos(tmp_path: Path) -> list[LabelledPhoto]:
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode())
    damaged = LabelledPhoto("a", tmp_path / "a", "typed", regions=(TRIANGLE,))
    return [damaged, LabelledPhoto("b", tmp_path / "b", "negative", "val")]


def test_order_and_names_do_not_matter(photos: list[LabelledPhoto], tmp_path: Path) -> None:
    first, second = photos
    moved = replace(first, id="z", path=Path(shutil.copy(first.path, tmp_path / "z")))
    assert digest_of([second, moved]) == digest_of(photos)
    assert digest_of(photos).photos == {"train": 1, "val": 1}


@pytest.mark.parametrize("change", ["photo", "split", "outline", "kind"])
def test_photos_labels_and_split_matter(photos: list[LabelledPhoto], change: str) -> None:
    before = digest_of(photos).digest
    if change == "photo":
        photos[0].path.write_bytes(b"other")
    elif change == "split":
        photos[1] = replace(photos[1], split="train")
    elif change == "kind":
        photos[0] = replace(photos[0], kind="untyped")
    else:
        photos[0] = replace(photos[0], regions=(replace(TRIANGLE, class_id=1),))
    assert digest_of(photos).digest != before


def test_a_missing_photo_is_named(photos: list[LabelledPhoto]) -> None:
    photos[0].path.unlink()
    with pytest.raises(PhotosError, match="a: No such file"):
        digest_of(photos)
