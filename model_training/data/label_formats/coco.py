"""COCO instances: one JSON file for many photos."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as run_lengths

from model_training.data.label_formats.label import (
    Corners,
    Label,
    LabelledObject,
    pairs,
    traced,
)
from model_training.data.label_formats.photo_finder import PhotoFiles
from model_training.data.labelled_photos import PhotosError


def is_coco(document: Any) -> bool:
    """Whether a JSON document has COCO's keys."""
    return isinstance(document, dict) and {"images", "annotations"} <= document.keys()


def read_coco(document: Any, path: Path, files: PhotoFiles) -> Iterator[Label]:
    """Labels of a COCO document read from ``path``.

    Polygons and run-length masks are outlines; an annotation with neither is a box.
    Raises `PhotosError`.
    """
    try:
        names = {c["id"]: str(c["name"]) for c in document.get("categories", ())}
        images = {image["id"]: image for image in document["images"]}
        objects: dict[Any, list[LabelledObject]] = {key: [] for key in images}
        for annotation in document["annotations"]:
            number, image = annotation["category_id"], images[annotation["image_id"]]
            name = names.get(number, str(number))
            objects[image["id"]].append(_object(annotation, name, number, image))
        for key, image in images.items():
            size = (image["width"], image["height"]) if image.get("width") else None
            found = files.find(image["file_name"], path)
            yield Label(found, tuple(objects[key]), size)
    except (KeyError, TypeError, ValueError) as error:
        raise PhotosError(f"{path}: not COCO: {error!r}") from None


def _object(
    annotation: Mapping[str, Any], name: str, number: int, image: Mapping[str, Any]
) -> LabelledObject:
    outline = annotation.get("segmentation")
    if isinstance(outline, dict):
        return LabelledObject(name, _decoded(outline, image), "run-length mask", number)
    if outline:
        return LabelledObject(name, tuple(pairs(flat) for flat in outline), number=number)
    return LabelledObject(name, shape="box", number=number)


def _decoded(outline: Any, image: Mapping[str, Any]) -> tuple[Corners, ...]:
    if image.get("width") and tuple(outline["size"]) != (image["height"], image["width"]):
        raise ValueError(f"a mask of size {outline['size']} for {image['file_name']}")
    if isinstance(outline["counts"], list):
        outline = run_lengths.frPyObjects(outline, image["height"], image["width"])
    with warnings.catch_warnings():
        # pycocotools 2.0.11 does not yet know the arguments of numpy 2.
        warnings.simplefilter("ignore", DeprecationWarning)
        mask = run_lengths.decode(outline)
    return traced(np.ascontiguousarray(mask))
