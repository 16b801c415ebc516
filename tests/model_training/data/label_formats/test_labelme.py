from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from model_training.data.dataset_readers import read_dataset
from model_training.data.labelled_photos import DENT
from tests.model_training.data.label_formats.conftest import INSIDE, OUTSIDE, SQUARE

Write = Callable[..., Path]
POLYGON = {"label": "dent", "points": SQUARE, "shape_type": "polygon"}
BOX = {"label": "dent", "points": SQUARE[::2], "shape_type": "rectangle"}


def labelme(image: str, *shapes: dict[str, Any]) -> dict[str, Any]:
    size = {"imageWidth": 64, "imageHeight": 48}
    return {"version": "5.5.0", "shapes": shapes, "imagePath": image, "imageData": None, **size}


def test_polygons_are_outlines_and_boxes_are_never_clean_cars(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    for name, shapes in (("a", [POLYGON]), ("b", []), ("c", [BOX])):
        photo(f"{name}.jpg")
        label(f"{name}.json", labelme(f"{name}.jpg", *shapes))
    found = read_dataset(tmp_path)
    assert found.formats == ("LabelMe",)
    assert [(photo.id, photo.kind) for photo in found.photos] == [("a", "typed"), ("b", "negative")]
    ids = found.photos[0].read()[1]
    assert (ids[INSIDE], ids[OUTSIDE]) == (DENT, 0)
    assert found.skipped == {"damage without an outline (box)": 1}


def test_labels_in_a_separate_folder(photo: Write, label: Write, tmp_path: Path) -> None:
    path = photo("photos/a.jpg")
    label("labels/a.json", labelme("..\\photos\\a.jpg", POLYGON))
    (found,) = read_dataset(tmp_path).photos
    assert found.path.resolve() == path
