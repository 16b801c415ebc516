from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from model_training.data.dataset_readers import read_dataset
from model_training.data.labelled_photos import DENT, SCRATCH, PhotosError
from tests.model_training.data.label_formats.conftest import INSIDE, OUTSIDE, SQUARE

Write = Callable[..., Path]
POLYGON = {"geometryType": "polygon", "points": {"exterior": SQUARE, "interior": []}}


def bitmap(left: int, top: int) -> dict[str, Any]:
    """A filled square of 31 x 21 px, as Supervisely's brush writes it."""
    pixels = np.zeros((21, 31, 4), np.uint8)
    pixels[..., 3] = 255
    png = cv2.imencode(".png", pixels)[1].tobytes()
    data = base64.b64encode(zlib.compress(png)).decode()
    return {"geometryType": "bitmap", "bitmap": {"data": data, "origin": [left, top]}}


def test_polygons_and_bitmaps_are_outlines(photo: Write, label: Write, tmp_path: Path) -> None:
    for name, thing in (("a", POLYGON), ("b", bitmap(10, 10))):
        photo(f"set/img/{name}.jpg")
        label(f"set/ann/{name}.jpg.json", {"objects": [{"classTitle": "Dent", **thing}]})
    found = read_dataset(tmp_path)
    assert found.formats == ("Supervisely",)
    first, second = (photo.read()[1] for photo in found.photos)
    assert (first[INSIDE], first[OUTSIDE]) == (DENT, 0)
    assert np.array_equal(first, second)


def test_a_box_is_never_a_clean_car(photo: Write, label: Write, tmp_path: Path) -> None:
    box = {"geometryType": "rectangle", "points": {"exterior": [[1, 1], [9, 9]], "interior": []}}
    for name, things in (("a", [{"classTitle": "Dent", **box}]), ("b", [])):
        photo(f"set/img/{name}.jpg")
        label(f"set/ann/{name}.jpg.json", {"objects": things})
    found = read_dataset(tmp_path)
    assert [photo.id for photo in found.photos] == ["b"]
    assert found.skipped == {"damage without an outline (box)": 1}


def test_parts_of_a_car_are_not_damage(photo: Write, label: Write, tmp_path: Path) -> None:
    part = {"classTitle": "Front-door", **POLYGON}
    for name, things in (("a", [{"classTitle": "Paint chip", **POLYGON}, part]), ("b", [part])):
        photo(f"set/img/{name}.jpg")
        label(f"set/ann/{name}.jpg.json", {"objects": things})
    found = read_dataset(tmp_path)
    (damaged,) = found.photos  # photos with only parts labelled may be damaged
    assert [region.class_id for region in damaged.regions] == [SCRATCH]
    assert found.objects == {("scratch", "Paint chip"): 1, ("ignore", "Front-door"): 2}


def test_an_unknown_class_is_named(photo: Write, label: Write, tmp_path: Path) -> None:
    photo("set/img/a.jpg")
    label("set/ann/a.jpg.json", {"objects": [{"classTitle": "Rust", **POLYGON}]})
    with pytest.raises(PhotosError, match=r"Rust \(1 objects\)"):
        read_dataset(tmp_path)


def test_a_broken_bitmap_names_its_file(photo: Write, label: Write, tmp_path: Path) -> None:
    photo("set/img/a.jpg")
    thing = {"geometryType": "bitmap", "bitmap": {"data": "AAAA", "origin": [0, 0]}}
    label("set/ann/a.jpg.json", {"objects": [{"classTitle": "Dent", **thing}]})
    with pytest.raises(PhotosError, match=r"a\.jpg\.json: not a Supervisely label"):
        read_dataset(tmp_path)


def test_a_label_without_objects_is_never_a_clean_car(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    photo("set/img/a.jpg")
    label("set/ann/a.jpg.json", {"size": {"width": 64, "height": 48}, "tags": []})
    with pytest.raises(PhotosError, match="not a Supervisely label: KeyError"):
        read_dataset(tmp_path)
