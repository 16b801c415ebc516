"""Files of labels with a mistake are refused as a whole, with the place of the mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.errors import LabelsInvalid
from damage_tasks.labelling.label_import import import_labels, read_labels
from damage_tasks.results.tables import decisions
from tests.labelling.conftest import DENT, HEIGHT, WIDTH, Archive

OUTLINE = [20.0, 20.0, 100.0, 20.0, 100.0, 80.0]


def coco(sha256: str = "a" * 64) -> dict[str, Any]:
    """Two photos of which the first has two damaged areas."""
    return {
        "images": [
            {"id": 1, "file_name": f"{sha256}.jpg", "width": WIDTH, "height": HEIGHT},
            {"id": 2, "file_name": f"{'b' * 64}.jpg", "width": WIDTH, "height": HEIGHT},
        ],
        "categories": [{"id": 1, "name": "dent"}],
        "annotations": [
            {"id": 7, "image_id": 1, "category_id": 1, "segmentation": [[*OUTLINE]]},
            {"id": 8, "image_id": 1, "category_id": 1, "segmentation": [], "bbox": [5, 5, 9, 9]},
        ],
    }


def label_studio(sha256: str = "a" * 64) -> list[dict[str, Any]]:
    """A task with an outline, a rectangle and a key point."""
    size = {"original_width": WIDTH, "original_height": HEIGHT, "to_name": "image"}
    points = [[10, 10], [30, 10], [30, 30]]
    box = {"x": 50, "y": 50, "width": 10, "height": 10}
    results: list[dict[str, Any]] = [
        {"type": "polygonlabels", "value": {"points": points, "polygonlabels": ["dent"]}},
        {"type": "rectanglelabels", "value": {**box, "rectanglelabels": ["dent"]}},
        {"type": "keypointlabels", "value": {"x": 5, "y": 5, "keypointlabels": ["dent"]}},
    ]
    results = [{"id": f"r{n}", **size, **each} for n, each in enumerate(results)]
    return [{"id": 3, "data": {"photo": sha256}, "annotations": [{"id": 4, "result": results}]}]


def refusal(path: Path) -> str:
    """What is said about the file after its name."""
    with pytest.raises(LabelsInvalid) as refused:
        read_labels(path)
    text = str(refused.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


def written(document: Any, folder: Path) -> Path:
    (folder / "labels.json").write_text(json.dumps(document))
    return folder / "labels.json"


def set_in(document: Any, *keys: str | int, value: Any) -> None:
    for key in keys[:-1]:
        document = document[key]
    document[keys[-1]] = value


def delete_in(document: Any, *keys: str | int) -> None:
    for key in keys[:-1]:
        document = document[key]
    del document[keys[-1]]


Break = Callable[[Any], Any]
A, C, F = "annotations", "categories", "images"

BROKEN_COCO: dict[str, tuple[Break, str]] = {
    "no images": (lambda d: delete_in(d, F), "images: is missing"),
    "no annotations": (lambda d: delete_in(d, A), "annotations: is missing"),
    "no categories": (lambda d: delete_in(d, C), "categories: is missing"),
    "images are an object": (lambda d: set_in(d, F, value={}), "images: must be"),
    "an image is a text": (lambda d: set_in(d, F, 1, value="x"), "images[1]: must be"),
    "an image without a name": (
        lambda d: delete_in(d, F, 1, "file_name"), "images[1] (id 2).file_name: is missing",
    ),
    "an image without a size": (
        lambda d: delete_in(d, F, 0, "width"), "images[0] (id 1).width: is missing",
    ),
    "an image of no height": (
        lambda d: set_in(d, F, 0, "height", value=0), "images[0] (id 1).height: must be",
    ),
    "a size that is a text": (
        lambda d: set_in(d, F, 0, "width", value="320"), "images[0] (id 1).width: must be a number",
    ),
    "an id that is a list": (
        lambda d: set_in(d, F, 0, "id", value=[1]),
        "images[0].id: must be a whole number or a text",
    ),
    "two images with an id": (
        lambda d: set_in(d, F, 1, "id", value=1), "images[1] (id 1): images[0] has the same id",
    ),
    "two categories with an id": (
        lambda d: d[C].append({"id": 1, "name": "scratch"}),
        "categories[1] (id 1): categories[0] has the same id",
    ),
    "two annotations with an id": (
        lambda d: set_in(d, A, 1, "id", value=7),
        "annotations[1] (id 7): annotations[0] has the same id",
    ),
    "an annotation without an image": (
        lambda d: delete_in(d, A, 1, "image_id"), "annotations[1] (id 8).image_id: is missing",
    ),
    "an annotation of an unknown image": (
        lambda d: set_in(d, A, 1, "image_id", value=9),
        "annotations[1] (id 8): no image has the id 9",
    ),
    "an unknown category": (
        lambda d: set_in(d, A, 1, "category_id", value="dent"),
        "annotations[1] (id 8): no category has the id 'dent'",
    ),
    "a category without a name": (
        lambda d: delete_in(d, C, 0, "name"), "categories[0] (id 1).name: is missing",
    ),
    "an odd outline": (
        lambda d: set_in(d, A, 0, "segmentation", value=[[*OUTLINE, 5]]),
        "annotations[0] (id 7).segmentation[0]: must have an x and a y for each corner",
    ),
    "an outline of two points": (
        lambda d: set_in(d, A, 0, "segmentation", value=[[1, 1, 2, 2]]),
        "annotations[0] (id 7).segmentation[0]: needs at least 6",
    ),
    "an outline that is a number": (
        lambda d: set_in(d, A, 0, "segmentation", value=[5]),
        "annotations[0] (id 7).segmentation[0]: must be a list",
    ),
    "an outline in pairs": (
        lambda d: set_in(d, A, 0, "segmentation", value=[[[1, 1], [2, 2], [3, 1]] * 2]),
        "annotations[0] (id 7).segmentation[0][0]: must be a number",
    ),
    "a coordinate that is a text": (
        lambda d: set_in(d, A, 0, "segmentation", 0, 2, value="100"),
        "annotations[0] (id 7).segmentation[0][2]: must be a number",
    ),
    "a coordinate that is null": (
        lambda d: set_in(d, A, 0, "segmentation", 0, 2, value=None),
        "annotations[0] (id 7).segmentation[0][2]: must be a number",
    ),
    "a coordinate that is true": (
        lambda d: set_in(d, A, 0, "segmentation", 0, 2, value=True),
        "annotations[0] (id 7).segmentation[0][2]: must be a number",
    ),
    "a coordinate that is not a number": (
        lambda d: set_in(d, A, 0, "segmentation", 0, 2, value=float("nan")),
        "annotations[0] (id 7).segmentation[0][2]: must be a finite number",
    ),
    "an infinite coordinate": (
        lambda d: set_in(d, A, 1, "bbox", 2, value=float("inf")),
        "annotations[1] (id 8).bbox[2]: must be a finite number",
    ),
    "a coordinate of 400 digits": (
        lambda d: set_in(d, A, 0, "segmentation", 0, 2, value=10**400),
        "annotations[0] (id 7).segmentation[0][2]: ",
    ),
    "an outline outside the photo": (
        lambda d: set_in(d, A, 0, "segmentation", 0, 2, value=2.0 * WIDTH),
        f"annotations[0] (id 7): (640, 20) is outside the photo of {WIDTH} x {HEIGHT} pixels",
    ),
    "a box left of the photo": (
        lambda d: set_in(d, A, 1, "bbox", 0, value=-100),
        "annotations[1] (id 8): (-100, 5) is outside the photo",
    ),
    "an outline on one line": (
        lambda d: set_in(d, A, 0, "segmentation", value=[[10, 10, 20, 20, 40, 40]]),
        "annotations[0] (id 7): nothing is inside the outline",
    ),
    "a box of negative width": (
        lambda d: set_in(d, A, 1, "bbox", 2, value=-5),
        "annotations[1] (id 8).bbox[2]: must be more than 0",
    ),
    "a box of less than a pixel": (
        lambda d: set_in(d, A, 1, "bbox", 2, value=0.2),
        "annotations[1] (id 8): nothing is inside the box",
    ),
    "a box of three numbers": (
        lambda d: set_in(d, A, 1, "bbox", value=[1, 2, 3]), "annotations[1] (id 8).bbox[3]: is",
    ),
    "an area without a place": (
        lambda d: delete_in(d, A, 1, "bbox"),
        "annotations[1] (id 8): it has neither a segmentation nor a bbox",
    ),
}  # fmt: skip

RESULT = (0, A, 0, "result")
AT = "tasks[0] (id 3).annotations[0] (id 4).result"
BROKEN_TASKS: dict[str, tuple[Break, str]] = {
    "no data": (lambda d: delete_in(d, 0, "data"), "tasks[0] (id 3).data: is missing"),
    "no annotations": (lambda d: delete_in(d, 0, A), "tasks[0] (id 3).annotations: is missing"),
    "data of another type": (
        lambda d: set_in(d, 0, "data", value=[]), "tasks[0] (id 3).data: must be",
    ),
    "a photo of another type": (
        lambda d: set_in(d, 0, "data", "photo", value=5),
        "tasks[0] (id 3).data.photo: must be",
    ),
    "no result": (
        lambda d: delete_in(d, *RESULT),
        "tasks[0] (id 3).annotations[0] (id 4).result: is missing",
    ),
    "results that are an object": (
        lambda d: set_in(d, *RESULT, value={}), f"{AT}: must be a list",
    ),
    "a result that is a number": (
        lambda d: set_in(d, *RESULT, 1, value=5), f"{AT}[1]: must be",
    ),
    "no value": (
        lambda d: delete_in(d, *RESULT, 0, "value"), f"{AT}[0] (id r0).value: is missing",
    ),
    "no size": (
        lambda d: delete_in(d, *RESULT, 2, "original_width"),
        f"{AT}[2] (id r2).original_width: is missing",
    ),
    "two sizes": (
        lambda d: set_in(d, *RESULT, 2, "original_width", value=9),
        f"{AT}[2] (id r2): another size of the photo",
    ),
    "no class": (
        lambda d: set_in(d, *RESULT, 0, "value", "polygonlabels", value=[]),
        f"{AT}[0] (id r0).value.polygonlabels: needs at least 1",
    ),
    "an outline of two points": (
        lambda d: delete_in(d, *RESULT, 0, "value", "points", 0),
        f"{AT}[0] (id r0).value.points: needs at least 3",
    ),
    "a corner of one number": (
        lambda d: set_in(d, *RESULT, 0, "value", "points", 1, value=[5]),
        f"{AT}[0] (id r0).value.points[1][1]: is missing",
    ),
    "a percentage that is a text": (
        lambda d: set_in(d, *RESULT, 2, "value", "x", value="5"),
        f"{AT}[2] (id r2).value.x: must be",
    ),
    "a percentage that is not a number": (
        lambda d: set_in(d, *RESULT, 2, "value", "x", value=float("nan")),
        f"{AT}[2] (id r2).value.x: must be a finite number",
    ),
    "pixels instead of percentages": (
        lambda d: set_in(d, *RESULT, 0, "value", "points", 1, value=[160, 120]),
        f"{AT}[0] (id r0): (512, 288) is outside the photo of {WIDTH} x {HEIGHT} pixels",
    ),
    "a rectangle beyond the photo": (
        lambda d: set_in(d, *RESULT, 1, "value", "width", value=90),
        f"{AT}[1] (id r1): (448, 144) is outside the photo",
    ),
    "an outline on one line": (
        lambda d: set_in(d, *RESULT, 0, "value", "points", value=[[10, 10], [20, 10], [30, 10]]),
        f"{AT}[0] (id r0): nothing is inside the outline",
    ),
    "a rectangle of no width": (
        lambda d: set_in(d, *RESULT, 1, "value", "width", value=0),
        f"{AT}[1] (id r1).value.width: must be more than 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "expected"), BROKEN_COCO.values(), ids=BROKEN_COCO)
def test_broken_coco_is_refused(spoil: Break, expected: str, tmp_path: Path) -> None:
    document = coco()
    spoil(document)
    said = refusal(written(document, tmp_path))
    assert said.startswith(expected)
    assert said.endswith("nothing was imported: correct this in the labelling tool, export the "
                         "labels again and import that file")  # fmt: skip


@pytest.mark.parametrize(("spoil", "expected"), BROKEN_TASKS.values(), ids=BROKEN_TASKS)
def test_broken_tasks_are_refused(spoil: Break, expected: str, tmp_path: Path) -> None:
    document = label_studio()
    spoil(document)
    assert refusal(written(document, tmp_path)).startswith(expected)


NO_LABELS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not JSON: "),
    "half a document": (b'{"images": [', "not JSON: "),
    "text": (b"damage;photo\ndent;car.jpg\n", "not JSON: "),
    "a picture": (b"\xff\xd8\xff\xe0\0\x10JFIF", "not text in UTF-8, from byte 0 on"),
    "Latin-1": ('{"images": "K\xf6ln"}'.encode("latin-1"), "not text in UTF-8, from byte 13 on"),
    "UTF-16": ('{"images": []}'.encode("utf-16"), "not text in UTF-8"),
    "much nesting": (b"[" * 5_000_000, "lists and objects are nested too deeply"),
    "a nested annotation": (
        b'{"images": [], "annotations": ' + b"[" * 100_000, "lists and objects are nested"
    ),
    "a number of 5000 digits": (b"[" + b"9" * 5000 + b"]", "not JSON: "),
    "a number": (b"5", "neither COCO nor"),
    "null": (b"null", "neither COCO nor"),
    "numbers": (b"[1]", "neither COCO nor"),
    "another object": (b'{"labels": []}', "neither COCO nor"),
    "JSON-MIN of Label Studio": (b'[{"id": 1, "image": "a.jpg", "label": []}]', "neither COCO nor"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), NO_LABELS.values(), ids=NO_LABELS)
def test_a_file_of_something_else_is_refused(content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_bytes(content)
    said = refusal(tmp_path / "labels.json")
    assert said.startswith(expected)
    assert "nothing was imported: export the labels again, from CVAT as COCO 1.0" in said


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "cannot be read: Is a directory"
    assert refusal(tmp_path / "gone.json") == "cannot be read: No such file or directory"
    (tmp_path / "loop.json").symlink_to("loop.json")
    assert re.match("cannot be read: ", refusal(tmp_path / "loop.json"))


@pytest.mark.parametrize("document", [coco, label_studio])
def test_unspoilt_labels_are_read(document: Callable[[str], Any], tmp_path: Path) -> None:
    first = read_labels(written(document("a" * 64), tmp_path))[0]
    assert (first.sha256, first.size, first.problem) == ("a" * 64, (WIDTH, HEIGHT), "")


def test_results_that_do_not_count_may_be_anything(tmp_path: Path) -> None:
    document = label_studio()
    document[0][A][0]["updated_at"] = "2026-11-22"
    document[0][A] += [
        {"was_cancelled": True, "result": [{"to_name": "image", "type": "polygonlabels"}]},
        {"updated_at": "2026-11-21", "result": [5]},
    ]
    document[0][A][0]["result"].append({"type": "relation", "from_id": "r0", "to_id": "r1"})
    (label,) = read_labels(written(document, tmp_path))
    assert (len(label.areas), label.problem) == (3, "")


@pytest.mark.parametrize("size", [[HEIGHT, WIDTH], [9, 9]])
def test_a_photo_with_a_mask_is_named_whether_or_not_the_mask_fits(
    size: list[int], tmp_path: Path
) -> None:
    document = coco()
    document[A][0]["segmentation"] = {"size": size, "counts": [5, 100_000]}
    assert read_labels(written(document, tmp_path))[0].problem == "a mask, not a polygon"


@pytest.mark.parametrize("document", [coco, label_studio])
def test_an_area_a_little_outside_the_photo_is_cut_off(
    document: Callable[[str], Any], tmp_path: Path
) -> None:
    labels = document("a" * 64)
    if document is coco:
        labels[A][0]["segmentation"] = [[300, 20, WIDTH + 5, -3, 300, 80]]
        areas = read_labels(written(labels, tmp_path))[0].areas
        assert areas[0].polygon == ((300, 20), (WIDTH, 0), (300, 80))
    else:
        set_in(labels, *RESULT, 2, "value", "x", value=101)
        areas = read_labels(written(labels, tmp_path))[0].areas
        assert areas[2].point == (WIDTH - 1, 12)


@pytest.mark.parametrize("document", [coco, label_studio])
def test_nothing_of_a_refused_file_is_recorded(
    archive: Archive, document: Callable[[str], Any], tmp_path: Path
) -> None:
    labels = document(archive.add("a", DENT))
    if document is coco:
        labels[A][1]["bbox"] = [1, 2]
    else:
        labels.append({"id": 9, "data": {}})
    with pytest.raises(LabelsInvalid):
        import_labels(archive.store, read_labels(written(labels, tmp_path)), "ann")
    with archive.store.transaction() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(decisions)) == 0
