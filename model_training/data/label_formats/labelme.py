"""LabelMe: one JSON file next to each photo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_training.data.label_formats.label import Label, LabelledObject
from model_training.data.label_formats.photo_finder import PhotoFiles
from model_training.data.labelled_photos import PhotosError

BOXES = ("rectangle",)


def is_labelme(document: Any) -> bool:
    """Whether a JSON document has LabelMe's keys."""
    return isinstance(document, dict) and {"shapes", "imagePath"} <= document.keys()


def read_labelme(document: Any, path: Path, files: PhotoFiles) -> Iterator[Label]:
    """The label in a document read from ``path``; polygons are outlines.

    Raises `PhotosError`.
    """
    try:
        objects = []
        for shape in document["shapes"]:
            name, kind = str(shape["label"]), shape.get("shape_type") or "polygon"
            if kind == "polygon":
                corners = tuple((float(x), float(y)) for x, y in shape["points"])
                objects.append(LabelledObject(name, (corners,)))
            else:
                objects.append(LabelledObject(name, shape="box" if kind in BOXES else kind))
        width, height = document.get("imageWidth"), document.get("imageHeight")
        size = (width, height) if width and height else None
        yield Label(files.find(document["imagePath"], path), tuple(objects), size)
    except (KeyError, TypeError, ValueError) as error:
        raise PhotosError(f"{path}: not LabelMe: {error!r}") from None
