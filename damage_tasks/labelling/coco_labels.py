"""Writes COCO instances, which CVAT and most other tools read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from damage_tasks.labelling.class_masks import CLASS_IDS
from damage_tasks.labelling.labelled_photo import UNKNOWN_DAMAGE, ExportedPhoto
from damage_tasks.reviewed_areas import Area, Outline

ANNOTATIONS = "annotations.json"


class CocoLabels:
    """One file, ``folder``/annotations.json, for all photos."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ANNOTATIONS
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._categories = {name: number for number, name in enumerate(CLASS_IDS, 1)}

    def add(self, photo: ExportedPhoto) -> None:
        """Add ``photo``; an area without an outline becomes a box without a segmentation.

        The box of a point is one pixel.
        """
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


def _shape(area: Area) -> dict[str, Any]:
    if area.polygon:
        flat = [number for corner in area.polygon for number in corner]
        return {
            "segmentation": [flat],
            "bbox": area.bbox,
            "area": _area_of(area.polygon),
        }
    _, _, width, height = area.bbox
    return {"segmentation": [], "bbox": area.bbox, "area": width * height}


def _area_of(polygon: Outline) -> float:
    """Gauss's formula."""
    following = (*polygon[1:], polygon[0])
    twice = sum(x * b - a * y for (x, y), (a, b) in zip(polygon, following, strict=True))
    return abs(twice) / 2
