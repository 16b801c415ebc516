"""Label Studio's tasks, with what is known so far as predictions.

Coordinates are percentages of the photo's width and height.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from damage_tasks.errors import LabelsInvalid
from damage_tasks.labelling.class_masks import CLASS_IDS
from damage_tasks.labelling.labelled_photo import (
    NOT_LABELLED,
    UNKNOWN_DAMAGE,
    ExportedPhoto,
    ImportedLabel,
    UnsupportedShape,
    type_of,
)
from damage_tasks.labelling.reviewed_areas import Area

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


def is_label_studio(document: Any) -> bool:
    """Whether a JSON document is a list of Label Studio's tasks."""
    return isinstance(document, list) and all(
        isinstance(task, dict) and "data" in task for task in document
    )


def read_tasks(document: Iterable[Mapping[str, Any]]) -> Iterator[ImportedLabel]:
    """The labels of an export in Label Studio's format JSON (not JSON-MIN).

    Of several annotations of a task, the one that was changed last counts; one without results
    means a clean car.  Raises `LabelsInvalid`.
    """
    try:
        for task in document:
            data = task["data"]
            name = str(data.get("photo") or data.get("image") or task.get("id"))
            made = [each for each in task["annotations"] if not each.get("was_cancelled")]
            if not made:
                yield ImportedLabel(name, problem=NOT_LABELLED)
                continue
            yield _label(name, max(made, key=_changed_at)["result"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LabelsInvalid(f"not an export of Label Studio as JSON: {error!r}") from None


def _changed_at(annotation: Mapping[str, Any]) -> str:
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")


def _label(name: str, results: Sequence[Mapping[str, Any]]) -> ImportedLabel:
    try:
        areas = tuple(_area(result) for result in results if result.get("to_name") == "image")
    except UnsupportedShape as error:
        return ImportedLabel(name, problem=str(error))
    sizes = [(result["original_width"], result["original_height"]) for result in results]
    return ImportedLabel(name, areas, sizes[0] if sizes else None)


def _area(result: Mapping[str, Any]) -> Area:
    kind, value = str(result["type"]), result["value"]
    if kind not in {tag.lower() for tag in _TOOLS.values()} or result.get("image_rotation"):
        raise UnsupportedShape(f"{kind}, not an upright polygon, rectangle or key point")
    across, down = result["original_width"] / 100, result["original_height"] / 100
    type = type_of(str(value[kind][0]))
    if "points" in value:
        return Area(type, tuple((round(x * across), round(y * down)) for x, y in value["points"]))
    x, y = round(value["x"] * across), round(value["y"] * down)
    if kind == "keypointlabels":
        return Area(type, point=(x, y))
    if value.get("rotation"):
        raise UnsupportedShape("a rotated rectangle")
    return Area(type, box=(x, y, round(value["width"] * across), round(value["height"] * down)))
