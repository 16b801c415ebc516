"""Writes Label Studio's tasks, with what is known so far as predictions.

Coordinates are percentages of the photo's width and height.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from damage_tasks.labelling.class_masks import CLASS_IDS
from damage_tasks.labelling.labelled_photo import UNKNOWN_DAMAGE, ExportedPhoto
from damage_tasks.reviewed_areas import Area

TASKS = "tasks.json"
CONFIGURATION = "label_config.xml"
# Label Studio serves files below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT here; it does not load
# pictures from presigned links reliably.
LOCAL_FILES = "/data/local-files/?d="
PEOPLE = "inspectors"  # the version of predictions that are people's decisions
_TOOLS = {"outline": "PolygonLabels", "box": "RectangleLabels", "point": "KeyPointLabels"}


class LabelStudioTasks:
    """``folder``/tasks.json to import, and the labelling interface in label_config.xml."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tasks: list[dict[str, Any]] = []
        self._classes = {*CLASS_IDS, UNKNOWN_DAMAGE}

    def add(self, photo: ExportedPhoto) -> None:
        """Add the task of ``photo``."""
        self._classes |= {area.type for area in photo.areas if area.type}
        prediction = {
            "model_version": PEOPLE if photo.reviewed else photo.labelled_by,
            "score": photo.score,
            "result": [_result(number, area, photo) for number, area in enumerate(photo.areas, 1)],
        }
        data = {
            "image": f"{LOCAL_FILES}{photo.file}",
            "photo": photo.sha256,
            "inspection": photo.inspection_id,
        }
        self._tasks.append({"data": data, "predictions": [prediction]})

    def finish(self) -> None:
        """Write both files."""
        (self._folder / TASKS).write_text(json.dumps(self._tasks))
        (self._folder / CONFIGURATION).write_text(_configuration(sorted(self._classes)))


def _configuration(classes: list[str]) -> str:
    labels = "".join(f"<Label value={quoteattr(name)}/>" for name in classes)
    tools = "\n".join(
        f'  <{tag} name="{name}" toName="image">{labels}</{tag}>' for name, tag in _TOOLS.items()
    )
    return f'<View>\n  <Image name="image" value="$image" zoom="true"/>\n{tools}\n</View>\n'


def _result(number: int, area: Area, photo: ExportedPhoto) -> dict[str, Any]:
    tool, shape = _shape(area, photo.width, photo.height)
    kind = _TOOLS[tool].lower()
    return {
        "id": f"area-{number}",
        "type": kind,
        "from_name": tool,
        "to_name": "image",
        "original_width": photo.width,
        "original_height": photo.height,
        "image_rotation": 0,
        "value": {**shape, kind: [area.type or UNKNOWN_DAMAGE]},
    }


def _shape(area: Area, width: int, height: int) -> tuple[str, dict[str, Any]]:
    """The labelling tool of an area, and where the area is."""
    if area.polygon:
        points = [[100 * x / width, 100 * y / height] for x, y in area.polygon]
        return "outline", {"points": points, "closed": True}
    x, y, across, down = area.box or (*(area.point or (0, 0)), 0, 0)
    place = {"x": 100 * x / width, "y": 100 * y / height}
    if area.box is None:
        return "point", {**place, "width": 0.5}
    size = {"width": 100 * across / width, "height": 100 * down / height, "rotation": 0}
    return "box", {**place, **size}
