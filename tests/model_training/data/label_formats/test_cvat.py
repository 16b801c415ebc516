from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from model_training.data.dataset_readers import read_dataset
from model_training.data.labelled_photos import DENT, PhotosError
from tests.model_training.data.label_formats.conftest import INSIDE, OUTSIDE, SQUARE

Write = Callable[..., Path]
POINTS = ";".join(f"{x}.00,{y}.00" for x, y in SQUARE)
POLYGON = f'<polygon label="dent" occluded="0" points="{POINTS}" z_order="0"/>'
BOX = '<box label="scratch" xtl="1" ytl="1" xbr="9" ybr="9"/>'


def cvat(**images: str) -> str:
    found = "".join(
        f'<image id="{n}" name="photos/{name}.jpg" width="64" height="48">{shapes}</image>'
        for n, (name, shapes) in enumerate(images.items())
    )
    return f"<?xml version='1.0'?><annotations><version>1.1</version>{found}</annotations>"


def test_polygons_are_outlines_and_boxes_are_never_clean_cars(
    photo: Write, label: Write, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        photo(f"photos/{name}.jpg")
    label("annotations.xml", cvat(a=POLYGON, b="", c=POLYGON + BOX))
    found = read_dataset(tmp_path)
    assert found.formats == ("CVAT for images",)
    assert [(photo.id, photo.kind) for photo in found.photos] == [("a", "typed"), ("b", "negative")]
    ids = found.photos[0].read()[1]
    assert (ids[INSIDE], ids[OUTSIDE]) == (DENT, 0)
    assert found.skipped == {"damage without an outline (box)": 1}


def test_video_is_refused(label: Write, tmp_path: Path) -> None:
    label("annotations.xml", "<annotations><track id='0' label='dent'/></annotations>")
    with pytest.raises(PhotosError, match="export the task as CVAT for images"):
        read_dataset(tmp_path)


def test_entities_are_not_expanded(photo: Write, label: Write, tmp_path: Path) -> None:
    photo("photos/a.jpg")
    bomb = "<!DOCTYPE annotations [<!ENTITY a 'aaaa'>]>"
    label("annotations.xml", bomb + cvat(a="").removeprefix("<?xml version='1.0'?>"))
    with pytest.raises(PhotosError, match=r"annotations\.xml: not XML that can be read"):
        read_dataset(tmp_path)
