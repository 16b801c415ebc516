from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as run_lengths

from model_training.data.damage_classes import DamageClasses
from model_training.data.dataset_readers import read_dataset
from model_training.data.labelled_photos import BREAKAGE, DENT, UNTYPED, PhotosError
from tests.model_training.data.label_formats.conftest import (
    HEIGHT,
    INSIDE,
    OUTSIDE,
    SQUARE,
    WIDTH,
)

Write = Callable[..., Path]
FLAT = [[value for corner in SQUARE for value in corner]]
CARDD = ["dent", "scratch", "crack", "glass shatter", "lamp broken", "tire flat"]


def coco(images: list[str], *annotations: dict[str, Any], classes: list[str]) -> dict[str, Any]:
    return {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(images)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(classes)],
        "annotations": list(annotations),
    }


def square() -> np.ndarray[Any, Any]:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.array(SQUARE, np.int32)], 1)
    return mask


def compressed() -> dict[str, Any]:
    found = run_lengths.encode(np.asfortranarray(square()))
    return {"size": found["size"], "counts": found["counts"].decode()}


def uncompressed() -> dict[str, Any]:
    flat = square().flatten(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    return {
        "size": [HEIGHT, WIDTH],
        "counts": np.diff([0, *changes, len(flat)]).tolist(),
    }


@pytest.mark.parametrize(
    "outline", [FLAT, compressed(), uncompressed()], ids=["polygon", "compressed", "uncompressed"]
)
def test_polygons_and_run_lengths_are_outlines(
    outline: Any, photo: Write, label: Write, tmp_path: Path
) -> None:
    photo("images/x.jpg")
    photo("images/y.jpg")
    annotation = {"image_id": 0, "category_id": 0, "segmentation": outline}
    document = coco(["x.jpg", "y.jpg"], annotation, classes=["glass shatter"])
    for image in document["images"]:
        image |= {"width": WIDTH, "height": HEIGHT}
    label("annotations/instances.json", document)
    found = read_dataset(tmp_path)
    damaged, clean = found.photos
    assert found.formats == ("COCO",)
    assert (damaged.kind, clean.kind) == ("typed", "negative")
    ids = damaged.read()[1]
    assert (ids[INSIDE], ids[OUTSIDE]) == (BREAKAGE, 0)
    assert (ids > 0).sum() == square().sum()
    assert "breakage: 1 (glass shatter 1)" in found.report()


@pytest.mark.parametrize("box", [{}, {"segmentation": []}])
def test_a_box_is_never_a_clean_car(
    box: dict[str, Any], photo: Write, label: Write, tmp_path: Path
) -> None:
    for name in ("x", "y", "z"):
        photo(f"{name}.jpg")
    label(
        "instances.json",
        coco(
            ["x.jpg", "y.jpg", "z.jpg"],
            {"image_id": 0, "category_id": 0, "bbox": [10, 10, 30, 20], **box},
            {"image_id": 1, "category_id": 0, "segmentation": FLAT},
            {"image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 20], **box},
            classes=["dent", "scratch"],
        ),
    )
    found = read_dataset(tmp_path)
    assert [(photo.id, photo.kind) for photo in found.photos] == [("z", "negative")]
    assert found.skipped == {"damage without an outline (box)": 2}


def test_boxes_alone_are_refused(photo: Write, label: Write, tmp_path: Path) -> None:
    photo("x.jpg")
    box = {"image_id": 0, "category_id": 0, "bbox": [10, 10, 30, 20]}
    label("instances.json", coco(["x.jpg"], box, classes=["dent"]))
    with pytest.raises(PhotosError, match=r"no photo can be used \(1: damage without .*box"):
        read_dataset(tmp_path)


def test_unknown_classes_are_all_named_and_can_be_given(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    for name in ("x", "y", "z"):
        photo(f"{name}.jpg")
    objects = [
        {"image_id": 0, "category_id": 0, "segmentation": FLAT},
        {"image_id": 1, "category_id": 5, "segmentation": FLAT},
        {"image_id": 2, "category_id": 6, "segmentation": FLAT},
    ]
    document = coco(["x.jpg", "y.jpg", "z.jpg"], *objects, classes=[*CARDD, "rust", "never used"])
    label("instances.json", document)
    with pytest.raises(PhotosError, match=r"tire flat \(1 obj.*, rust \(1 obj.*--classes"):
        read_dataset(tmp_path)
    found = read_dataset(tmp_path, DamageClasses({"Tire_flat": "ignore", "6": "unknown"}))
    dent, rust = found.photos
    assert (dent.read()[1][INSIDE], rust.read()[1][INSIDE]) == (DENT, UNTYPED)
    assert found.skipped == {
        "nothing but ignored classes is labelled, so it may be damaged": 1,
    }
    clean = read_dataset(tmp_path, DamageClasses({"tire flat": "undamaged", "rust": "ignore"}))
    assert [photo.kind for photo in clean.photos] == ["typed", "negative"]


def test_labels_of_another_resolution_are_skipped(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    photo("x.jpg")
    photo("y.jpg", (WIDTH * 2, HEIGHT * 2))
    document = coco(["x.jpg", "y.jpg"], classes=[])
    for image in document["images"]:
        image |= {"width": WIDTH, "height": HEIGHT}
    label("instances.json", document)
    found = read_dataset(tmp_path, empty_is_clean=True)
    assert [photo.id for photo in found.photos] == ["x"]
    assert found.skipped == {"its size is not the one in the label": 1}


def test_outlines_in_other_units_are_skipped(photo: Write, label: Write, tmp_path: Path) -> None:
    photo("x.jpg")
    photo("y.jpg")
    shares = [[0.1, 0.1, 0.6, 0.1, 0.6, 0.6]]
    annotation = {"image_id": 0, "category_id": 0, "segmentation": shares}
    label("instances.json", coco(["x.jpg", "y.jpg"], annotation, classes=["dent"]))
    assert read_dataset(tmp_path).skipped == {
        "damage without an outline (an outline without area)": 1
    }


def test_of_photos_with_the_same_name_the_one_next_to_its_label_is_used(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    annotation = {"image_id": 0, "category_id": 0, "segmentation": FLAT}
    for split, objects in (("train", [annotation]), ("valid", [])):
        photo(f"{split}/1.jpg")
        label(f"{split}/_annotations.coco.json", coco(["1.jpg"], *objects, classes=["dent"]))
    found = {
        photo.id: (photo.kind, photo.path)
        for photo in read_dataset(tmp_path, empty_is_clean=True).photos
    }
    assert found == {
        "train-1": ("typed", tmp_path / "train/1.jpg"),
        "valid-1": ("negative", tmp_path / "valid/1.jpg"),
    }


def test_a_name_that_two_photos_have_is_refused(photo: Write, label: Write, tmp_path: Path) -> None:
    photo("a/1.jpg")
    photo("b/1.jpg")
    label("annotations/all.json", coco(["1.jpg"], classes=[]))
    with pytest.raises(PhotosError, match=r"1\.jpg is ambiguous: .*a/1\.jpg or .*b/1\.jpg"):
        read_dataset(tmp_path)


def test_a_photo_that_is_labelled_twice_is_refused(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    photo("1.jpg")
    for name in ("train", "all"):
        label(f"{name}.json", coco(["1.jpg"], classes=[]))
    with pytest.raises(PhotosError, match="labelled more than once: 1 photo, such as"):
        read_dataset(tmp_path, empty_is_clean=True)


def test_augmented_copies_stay_on_one_side_of_the_split(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    names = [f"{n}_jpg.rf.{copy}.jpg" for n in range(30) for copy in "abc"]
    for name in names:
        photo(name, (2, 2))
    label("_annotations.coco.json", coco(names, classes=[]))
    sides: dict[str, set[str]] = {}
    for copy in read_dataset(tmp_path, empty_is_clean=True).photos:
        sides.setdefault(copy.group, set()).add(copy.split)
    assert len(sides) == 30
    assert all(len(splits) == 1 for splits in sides.values())


def test_an_outline_outside_its_photo_is_skipped(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    photo("a.jpg")
    photo("b.jpg")
    far = [[x + WIDTH for x in FLAT[0]]]
    objects = [
        {"image_id": 0, "category_id": 0, "segmentation": FLAT},
        {"image_id": 1, "category_id": 0, "segmentation": far},
    ]
    label("c.json", coco(["a.jpg", "b.jpg"], *objects, classes=["dent"]))
    found = read_dataset(tmp_path)
    assert [photo.id for photo in found.photos] == ["a"]
    assert found.skipped == {"damage without an outline (an outline outside the photo)": 1}


def test_a_mask_of_another_size_is_refused(photo: Write, label: Write, tmp_path: Path) -> None:
    photo("a.jpg")
    document = coco(
        ["a.jpg"],
        {"image_id": 0, "category_id": 0, "segmentation": compressed()},
        classes=["dent"],
    )
    document["images"][0] |= {"width": 2 * WIDTH, "height": 2 * HEIGHT}
    label("c.json", document)
    with pytest.raises(PhotosError, match=r"c\.json: not COCO: .*a mask of size .* for a\.jpg"):
        read_dataset(tmp_path)
