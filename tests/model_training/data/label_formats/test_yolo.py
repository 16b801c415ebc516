from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from model_training.data.damage_classes import DamageClasses
from model_training.data.dataset_readers import read_dataset
from model_training.data.labelled_photos import DENT, PhotosError
from tests.model_training.data.label_formats.conftest import (
    HEIGHT,
    INSIDE,
    OUTSIDE,
    SQUARE,
    WIDTH,
)

Write = Callable[..., Path]
SHARES = " ".join(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in SQUARE)
BOX = "0.5 0.5 0.2 0.2"


def test_polygons_are_outlines_and_boxes_are_never_clean_cars(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    label("data.yaml", "train: train/images\nnames: [scratch, dent]\n")
    for name, text in (("a", f"1 {SHARES}\n"), ("b", ""), ("c", f"1 {SHARES}\n0 {BOX}\n")):
        photo(f"train/images/{name}.jpg")
        label(f"train/labels/{name}.txt", text)
    photo("train/images/unlabelled.jpg")
    found = read_dataset(tmp_path)
    assert found.formats == ("YOLO",)
    assert [(photo.id, photo.kind) for photo in found.photos] == [("a", "typed"), ("b", "negative")]
    ids = found.photos[0].read()[1]
    assert (ids[INSIDE], ids[OUTSIDE]) == (DENT, 0)
    assert found.skipped == {"damage without an outline (box)": 1}


@pytest.mark.parametrize("names", ["names:\n  7: dent\n", ""])
def test_classes_by_number(names: str, photo: Write, label: Write, tmp_path: Path) -> None:
    photo("images/a.jpg")
    label("labels/a.txt", f"7 {SHARES}\n")
    if names:
        label("data.yaml", names)
        found = read_dataset(tmp_path)
    else:
        with pytest.raises(PhotosError, match=r"unknown classes: 7 \(1 objects\)"):
            read_dataset(tmp_path)
        found = read_dataset(tmp_path, DamageClasses({"7": "dent"}))
    assert found.photos[0].regions[0].class_id == DENT


def test_a_wrong_line_is_named(photo: Write, label: Write, tmp_path: Path) -> None:
    photo("images/a.jpg")
    label("labels/a.txt", f"0 {SHARES}\n0 0.1 0.2 0.3\n")
    with pytest.raises(PhotosError, match=r"a\.txt:2: not YOLO"):
        read_dataset(tmp_path)


def test_corners_in_pixels_are_refused(photo: Write, label: Write, tmp_path: Path) -> None:
    photo("images/a.jpg")
    label("labels/a.txt", f"0 {' '.join(str(n) for corner in SQUARE for n in corner)}\n")
    with pytest.raises(PhotosError, match=r"a\.txt:1: not YOLO: corners must be shares"):
        read_dataset(tmp_path)
