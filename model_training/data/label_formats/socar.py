"""SOCAR-style JSON: one object, or a list of them, per file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_training.data.label_formats.label import Corners, Label, LabelledObject
from model_training.data.label_formats.photo_finder import PhotoFiles
from model_training.data.labelled_photos import PhotosError


def is_socar(document: Any) -> bool:
    """Whether a JSON document is a SOCAR-style label, or a list of them."""
    entries = document if isinstance(document, list) else [document]
    return all(isinstance(entry, dict) and "image_id" in entry for entry in entries)


def read_socar(document: Any, path: Path, files: PhotoFiles) -> Iterator[Label]:
    """Labels of a document read from ``path``.

    ``{"image_id", "damage_level": 0 or 1, "regions": [{"points": [[x, y]...],
    "class_name"}]}``; ``points`` may also be ``{"x": [...], "y": [...]}``, and ``"group"`` names
    the car.  Raises `PhotosError`.
    """
    for entry in document if isinstance(document, list) else [document]:
        try:
            if not {"regions", "damage_level"} & entry.keys():
                raise ValueError("neither regions nor damage_level")
            objects = tuple(
                LabelledObject(str(region["class_name"]), (_corners(region["points"]),))
                for region in entry.get("regions", ())
            )
            level = entry.get("damage_level")
            group = str(entry.get("group") or "")
            found = files.find(str(entry["image_id"]), path)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PhotosError(f"{path}: not a SOCAR-style label: {error!r}") from None
        yield Label(found, objects, damaged=None if level is None else bool(level), group=group)


def _corners(points: Any) -> Corners:
    if isinstance(points, dict):
        points = list(zip(points["x"], points["y"], strict=True))
    return tuple((float(x), float(y)) for x, y in points)
