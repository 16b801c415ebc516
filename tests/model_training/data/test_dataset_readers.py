from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from model_training.data.dataset_readers import read_dataset
from model_training.data.label_formats.manifest_csv import read_folder
from model_training.data.labelled_photos import (
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
    photos = read_dataset(folder).photos
    assert [p.kind for p in photos[:4]] == ["negative", "typed", "negative", "untyped"]
    assert len(of_split(photos, "val")) == 4
    photo, ids = photos[1].read()
    assert photo.shape == (96, 128, 3)
    assert set(np.unique(ids)) == {0, SCRATCH}
    assert photos[1].damaged
    assert not photos[0].damaged


def test_a_manifest_may_say_what_a_photo_is_worth_and_where_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "id,image,mask,kind,split,weight,broken_parts,source,domain,group\n"
        "a,a.jpg,a.png,typed,train,0.5,yes,claims,phone,claim-7\n"
        "b,b.jpg,,negative,train,,,,,\n"
    )
    first, second = read_folder(tmp_path)
    assert (first.weight, first.broken_parts) == (0.5, True)
    assert (first.source, first.domain, first.group) == ("claims", "phone", "claim-7")
    assert (second.weight, second.broken_parts, second.domain) == (1.0, False, "")


def test_a_manifest_may_name_the_domain_as_before(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("id,image,mask,kind,world\na,a.jpg,,negative,phone\n")
    assert [photo.domain for photo in read_folder(tmp_path)] == ["phone"]


def test_a_manifest_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    text = "id,image,mask,kind\na,a.jpg,,negative\n"
    (tmp_path / "manifest.csv").write_text(text, encoding="utf-8-sig")
    assert [photo.id for photo in read_folder(tmp_path)] == ["a"]


def test_a_photo_is_scaled_down_with_its_mask(folder: Path) -> None:
    photo, ids = read_folder(folder)[1].read(longest=64)
    assert photo.shape == (48, 64, 3)
    assert ids.shape == (48, 64)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ({"image_id": "nowhere", "regions": []}, "nowhere"),
        ({"image_id": "a", "regions": [{"points": [["x", 1]], "class_name": "dent"}]}, "SOCAR"),
        ({"picture": "a"}, "SOCAR"),
    ],
)
def test_wrong_labels_name_the_file_and_the_fault(
    tmp_path: Path, label: dict[str, Any], message: str
) -> None:
    write_photo(tmp_path / "a.jpg")
    write_json(tmp_path / "labels.json", label)
    with pytest.raises(PhotosError, match=rf"labels\.json.*{message}"):
        read_dataset(tmp_path)


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotosError, match="no labels in any of these formats: manifest.csv, COCO"):
        read_dataset(tmp_path)


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


def test_a_damaged_photo_without_its_mask_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("id,image,mask,kind,split\na,a.jpg,,typed,train\n")
    with pytest.raises(PhotosError, match=r"manifest\.csv:2: a typed photo needs a mask"):
        read_folder(tmp_path)


NOTHING_LABELLED: dict[str, tuple[str, Any]] = {
    "COCO": ("valid.json", {"images": [{"id": 0, "file_name": "a.jpg"}], "annotations": []}),
    "CVAT": (
        "annotations.xml",
        '<annotations><image name="a.jpg" width="64" height="48"/></annotations>',
    ),
    "LabelMe": ("a.json", {"imagePath": "a.jpg", "shapes": []}),
    "Supervisely": ("ann/a.jpg.json", {"size": {"width": 64, "height": 48}, "objects": []}),
    "YOLO": ("labels/a.txt", ""),
}


@pytest.mark.parametrize(("name", "content"), NOTHING_LABELLED.values(), ids=NOTHING_LABELLED)
def test_labels_without_a_single_object_are_clean_cars_only_if_someone_says_so(
    name: str, content: Any, tmp_path: Path
) -> None:
    folder = {"ann": "img", "labels": "images"}.get(name.partition("/")[0], ".")
    write_photo(tmp_path / folder / "a.jpg")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(PhotosError, match="no object is .* any of 1 photo, .*--empty-is-clean"):
        read_dataset(tmp_path)
    (photo,) = read_dataset(tmp_path, empty_is_clean=True).photos
    assert photo.kind == "negative"


def test_one_of_several_coco_files_without_an_object_is_named(tmp_path: Path) -> None:
    images = [{"id": 0, "file_name": "a.jpg"}]
    outline = {"image_id": 0, "category_id": 0, "segmentation": [[10, 10, 40, 10, 40, 30, 10, 30]]}
    for part, objects in (("train", [outline]), ("valid", [])):
        write_photo(tmp_path / part / "a.jpg")
        write_json(
            tmp_path / part / "_annotations.coco.json",
            {"images": images, "annotations": objects,
             "categories": [{"id": 0, "name": "dent"}]},
        )  # fmt: skip
    with pytest.raises(PhotosError, match=r"valid/_annotations.coco.json: no object"):
        read_dataset(tmp_path)
