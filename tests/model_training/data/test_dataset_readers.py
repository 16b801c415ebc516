from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from model_training.data.dataset_readers import read_folder, read_photos
from model_training.data.labelled_photos import (
    BREAKAGE,
    DENT,
    SCRATCH,
    PhotosError,
    of_split,
    split_by_id,
)

SQUARE = [[10, 10], [40, 10], [40, 30], [10, 30]]


def write_photo(path: Path, size: tuple[int, int] = (64, 48)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), 128, np.uint8))


def write_json(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def test_a_folder_with_a_manifest(folder: Path) -> None:
    photos = read_photos(folder)
    assert [p.kind for p in photos[:4]] == ["negative", "typed", "negative", "untyped"]
    assert len(of_split(photos, "val")) == 4
    photo, ids = photos[1].read()
    assert photo.shape == (96, 128, 3)
    assert set(np.unique(ids)) == {0, SCRATCH}
    assert photos[1].damaged
    assert not photos[0].damaged


def test_a_manifest_may_say_what_a_photo_is_worth_and_where_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "id,image,mask,kind,split,weight,broken_parts,source,world,group\n"
        "a,a.jpg,a.png,typed,train,0.5,yes,claims,phone,claim-7\n"
        "b,b.jpg,,negative,train,,,,,\n"
    )
    first, second = read_folder(tmp_path)
    assert (first.weight, first.broken_parts) == (0.5, True)
    assert (first.source, first.world, first.group) == ("claims", "phone", "claim-7")
    assert (second.weight, second.broken_parts, second.world) == (1.0, False, "")


def test_a_photo_is_scaled_down_with_its_mask(folder: Path) -> None:
    photo, ids = read_folder(folder)[1].read(longest=64)
    assert photo.shape == (48, 64, 3)
    assert ids.shape == (48, 64)


def test_socar_style_json(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_photo(tmp_path / f"photos/{name}.jpg")
    regions = [
        {"points": SQUARE, "class_name": "dent"},
        {"points": {"x": [12, 16, 16], "y": [12, 12, 16]}, "class_name": "Scratch"},
    ]
    write_json(
        tmp_path / "labels.json",
        [
            {"image_id": "a", "damage_level": 1, "regions": regions},
            {"image_id": "b.jpg", "damage_level": 0, "regions": []},
            {"image_id": "c", "damage_level": 1, "regions": []},
        ],
    )
    photos = {photo.id: photo for photo in read_photos(tmp_path)}
    assert set(photos) == {"a", "b"}  # damaged without outlines is left out
    assert photos["b"].kind == "negative"
    _, ids = photos["a"].read()
    assert ids[20, 30] == DENT
    assert ids[13, 15] == SCRATCH  # drawn after the larger dent
    assert ids[40, 50] == 0


def test_coco(tmp_path: Path) -> None:
    write_photo(tmp_path / "images/x.jpg")
    write_photo(tmp_path / "images/y.jpg")
    flat = [value for corner in SQUARE for value in corner]
    write_json(
        tmp_path / "instances.json",
        {
            "images": [{"id": 1, "file_name": "x.jpg"}, {"id": 2, "file_name": "y.jpg"}],
            "categories": [{"id": 7, "name": "glass shatter"}],
            "annotations": [{"image_id": 1, "category_id": 7, "segmentation": [flat]}],
        },
    )
    damaged, clean = read_photos(tmp_path)
    assert damaged.kind == "typed"
    assert clean.kind == "negative"
    assert damaged.read()[1][20, 20] == BREAKAGE


def test_coco_run_length_masks_are_refused(tmp_path: Path) -> None:
    write_photo(tmp_path / "images/x.jpg")
    annotation = {"image_id": 1, "category_id": 7, "segmentation": {"counts": [], "size": []}}
    write_json(
        tmp_path / "instances.json",
        {
            "images": [{"id": 1, "file_name": "x.jpg"}],
            "categories": [{"id": 7, "name": "dent"}],
            "annotations": [annotation],
        },
    )
    with pytest.raises(PhotosError, match="run-length"):
        read_photos(tmp_path)


def test_supervisely(tmp_path: Path) -> None:
    write_photo(tmp_path / "set/img/z.jpg")
    thing = {"geometryType": "polygon", "points": {"exterior": SQUARE, "interior": []}}
    write_json(
        tmp_path / "set/ann/z.jpg.json",
        {
            "objects": [
                {"classTitle": "Paint chip", **thing},
                {"classTitle": "Front-door", **thing},  # a part, not damage
            ]
        },
    )
    (photo,) = read_photos(tmp_path)
    assert [region.class_id for region in photo.regions] == [SCRATCH]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ({"image_id": "a", "regions": [{"points": SQUARE, "class_name": "rust"}]}, "rust"),
        ({"image_id": "nowhere", "regions": []}, "nowhere"),
        ({"image_id": "a", "regions": [{"points": SQUARE[:2], "class_name": "dent"}]}, "three"),
        ({"picture": "a"}, "SOCAR"),
    ],
)
def test_wrong_labels_name_the_file_and_the_fault(
    tmp_path: Path, label: dict[str, Any], message: str
) -> None:
    write_photo(tmp_path / "a.jpg")
    write_json(tmp_path / "labels.json", label)
    with pytest.raises(PhotosError, match=rf"labels\.json.*{message}"):
        read_photos(tmp_path)


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotosError, match="neither"):
        read_photos(tmp_path)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg")
    write_photo(tmp_path / "a.png", (10, 10))
    (tmp_path / "manifest.csv").write_text("id,image,mask,kind,split\na,a.jpg,a.png,typed,train\n")
    with pytest.raises(PhotosError, match="size"):
        read_folder(tmp_path)[0].read()


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("id,image,mask,kind,split\na,a.jpg,,odd,train\n")
    with pytest.raises(PhotosError, match=r"manifest\.csv:2.*odd"):
        read_folder(tmp_path)


def test_the_split_depends_on_the_id_alone() -> None:
    splits = [split_by_id(f"photo{i}") for i in range(1000)]
    assert splits == [split_by_id(f"photo{i}") for i in range(1000)]
    assert 60 < splits.count("val") < 140
