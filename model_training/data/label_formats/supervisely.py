"""Supervisely: ``ann/PHOTO.json`` next to ``img/PHOTO``."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from model_training.data.label_formats.label import (
    Corners,
    Label,
    LabelledObject,
    read_json,
    traced,
)
from model_training.data.labelled_photos import PhotosError


def supervisely_files(folder: Path) -> list[Path]:
    """The label files of all Supervisely projects below ``folder``."""
    return sorted(folder.rglob("ann/*.json"))


def read_supervisely(paths: list[Path]) -> Iterator[Label]:
    """Labels in ``paths``; polygons and bitmaps are outlines.  Raises `PhotosError`."""
    for path in paths:
        document = read_json(path)
        image = path.parent.parent / "img" / path.stem
        if not image.exists():
            raise PhotosError(f"{path}: no photo {image}")
        try:
            objects = tuple(_object(thing) for thing in document["objects"])
            size = document.get("size")
            yield Label(image, objects, (size["width"], size["height"]) if size else None)
        except (
            KeyError, TypeError, ValueError, AttributeError, zlib.error, binascii.Error, cv2.error,
        ) as error:  # fmt: skip
            raise PhotosError(f"{path}: not a Supervisely label: {error!r}") from None


def _object(thing: Mapping[str, Any]) -> LabelledObject:
    name, shape = str(thing["classTitle"]), thing.get("geometryType", "polygon")
    if shape == "polygon":
        corners = tuple((float(x), float(y)) for x, y in thing["points"]["exterior"])
        return LabelledObject(name, (corners,))
    if shape == "bitmap":
        return LabelledObject(name, _bitmap(thing["bitmap"]), shape)
    return LabelledObject(name, shape="box" if shape == "rectangle" else shape)


def _bitmap(bitmap: Mapping[str, Any]) -> tuple[Corners, ...]:
    """A zlib-compressed PNG in base64, whose last channel is not 0 inside the object."""
    png = np.frombuffer(zlib.decompress(base64.b64decode(bitmap["data"])), np.uint8)
    pixels = cv2.imdecode(png, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("a bitmap must be PNG")
    mask = pixels if pixels.ndim == 2 else pixels[..., -1]
    left, top = bitmap["origin"]
    return traced((mask > 0).astype(np.uint8), left, top)
