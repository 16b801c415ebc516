from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from model_training.data.dataset_readers import read_dataset
from model_training.data.labelled_photos import DENT, SCRATCH, PhotosError, split_by_id
from tests.model_training.data.label_formats.conftest import INSIDE, OUTSIDE, SQUARE

Write = Callable[..., Path]


def test_outlines_and_clean_photos(photo: Write, label: Write, tmp_path: Path) -> None:
    for name in ("a", "b"):
        photo(f"photos/{name}.jpg")
    regions = [
        {"points": SQUARE, "class_name": "dent"},
        {"points": {"x": [12, 16, 16], "y": [12, 12, 16]}, "class_name": "Scratch"},
    ]
    label(
        "labels.json",
        [
            {"image_id": "a", "damage_level": 1, "regions": regions},
            {"image_id": "b.jpg", "damage_level": 0, "regions": []},
        ],
    )
    found = read_dataset(tmp_path)
    photos = {photo.id: photo for photo in found.photos}
    assert found.formats == ("SOCAR-style JSON",)
    assert photos["b"].kind == "negative"
    _, ids = photos["a"].read()
    assert ids[INSIDE] == DENT
    assert ids[13, 15] == SCRATCH  # drawn after the larger dent
    assert ids[OUTSIDE] == 0


def test_levels_that_contradict_the_outlines_are_skipped(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        photo(f"{name}.jpg")
    dent = {"points": SQUARE, "class_name": "dent"}
    label(
        "labels.json",
        [
            {"image_id": "a", "damage_level": 1, "regions": []},
            {"image_id": "b", "damage_level": 0, "regions": [dent]},
            {"image_id": "c", "damage_level": 1, "regions": [dent]},
        ],
    )
    found = read_dataset(tmp_path)
    assert [photo.id for photo in found.photos] == ["c"]
    assert found.skipped == {
        "said to be damaged, but nothing is outlined": 1,
        "said to be clean, but damage is outlined": 1,
    }


def test_a_label_that_says_nothing_about_damage_is_never_a_clean_car(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    photo("a.jpg")
    label("labels.json", {"image_id": "a", "annotations": [{"class_name": "dent"}]})
    with pytest.raises(PhotosError, match="neither regions nor damage_level"):
        read_dataset(tmp_path)


def test_photos_of_one_group_are_in_the_same_split(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    for number in range(20):
        photo(f"{number}.jpg")
    label(
        "labels.json",
        [
            {"image_id": str(number), "damage_level": 0, "regions": [], "group": "car 7"}
            for number in range(20)
        ],
    )
    found = read_dataset(tmp_path)
    assert {(photo.group, photo.split) for photo in found.photos} == {
        ("car 7", split_by_id("car 7"))
    }
