"""COCO instances, which CVAT and most other tools read and write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from damage_tasks.errors import LabelsInvalid
from damage_tasks.labelling.class_masks import CLASS_IDS
from damage_tasks.labelling.labelled_photo import (
    NOT_LABELLED,
    UNKNOWN_DAMAGE,
    ExportedPhoto,
    ImportedLabel,
    type_of,
)
from damage_tasks.labelling.reviewed_areas import Area, Outline

ANNOTATIONS = "annotations.json"
Box = tuple[int, int, int, int]


class CocoLabels:
    """One file, ``folder``/annotations.json, for all photos."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ANNOTATIONS
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._categories = {name: number for number, name in enumerate(CLASS_IDS, 1)}

    def add(self, photo: ExportedPhoto) -> None:
        """Add ``photo``; an area without an outline becomes a box without a segmentation."""
        image_id = len(self._images) + 1
        self._images.append(
            {
                "id": image_id,
                "file_name": photo.file,
                "width": photo.width,
                "height": photo.height,
                "inspection_id": photo.inspection_id,
                "reviewed": photo.reviewed,
            }
        )
        self._annotations += [
            {
                "id": len(self._annotations) + number,
                "image_id": image_id,
                "category_id": self._category(area.type or UNKNOWN_DAMAGE),
                "iscrowd": 0,
                **_shape(area),
            }
            for number, area in enumerate(photo.areas, 1)
        ]

    def finish(self) -> None:
        """Write the file."""
        document = {
            "images": self._images,
            "annotations": self._annotations,
            "categories": [
                {"id": number, "name": name, "supercategory": ""}
                for name, number in self._categories.items()
            ],
        }
        self._path.write_text(json.dumps(document))

    def _category(self, name: str) -> int:
        return self._categories.setdefault(name, len(self._categories) + 1)


def is_coco(document: Any) -> bool:
    """Whether a JSON document has COCO's keys."""
    return isinstance(document, dict) and {"images", "annotations"} <= document.keys()


def read_coco(document: Mapping[str, Any], *, empty_is_clean: bool) -> Iterator[ImportedLabel]:
    """The labels of a COCO document: polygons, or boxes without a segmentation.

    An image without annotations is clean with ``empty_is_clean``, and otherwise not labelled yet.
    Raises `LabelsInvalid`.
    """
    try:
        names = {each["id"]: str(each["name"]) for each in document["categories"]}
        annotations: dict[Any, list[Any]] = {image["id"]: [] for image in document["images"]}
        for annotation in document["annotations"]:
            annotations[annotation["image_id"]].append(annotation)
        for image in document["images"]:
            label = _label(image, annotations[image["id"]], names)
            empty = not label.areas and not label.problem and not empty_is_clean
            yield replace(label, problem=NOT_LABELLED) if empty else label
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise LabelsInvalid(f"not COCO: {error!r}") from None


def _label(
    image: Mapping[str, Any], annotations: Iterable[Any], names: Mapping[Any, str]
) -> ImportedLabel:
    label = ImportedLabel(str(image["file_name"]), size=(image["width"], image["height"]))
    areas: list[Area] = []
    for annotation in annotations:
        type = type_of(names[annotation["category_id"]])
        outlines = annotation.get("segmentation")
        if isinstance(outlines, dict):
            return replace(label, problem="a mask, not a polygon")
        areas += [Area(type, _corners(flat)) for flat in outlines or ()]
        if not outlines:
            x, y, width, height = map(round, annotation["bbox"])
            areas.append(Area(type, box=(x, y, width, height)))
    return replace(label, areas=tuple(areas))


def _corners(flat: Sequence[float]) -> Outline:
    return tuple((round(x), round(y)) for x, y in zip(flat[::2], flat[1::2], strict=True))


def _shape(area: Area) -> dict[str, Any]:
    if area.polygon:
        flat = [number for corner in area.polygon for number in corner]
        return {
            "segmentation": [flat],
            "bbox": _box_around(area.polygon),
            "area": _area_of(area.polygon),
        }
    box = area.box or (*(area.point or (0, 0)), 1, 1)
    return {"segmentation": [], "bbox": box, "area": box[2] * box[3]}


def _box_around(polygon: Outline) -> Box:
    across, down = zip(*polygon, strict=True)
    return min(across), min(down), max(across) - min(across), max(down) - min(down)


def _area_of(polygon: Outline) -> float:
    """Gauss's formula."""
    following = (*polygon[1:], polygon[0])
    twice = sum(x * b - a * y for (x, y), (a, b) in zip(polygon, following, strict=True))
    return abs(twice) / 2
