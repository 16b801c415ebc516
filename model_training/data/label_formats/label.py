"""The label of one photo as stored in its file, before classes are mapped to damage types."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from model_training.data.labelled_photos import PhotosError

Corners = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class LabelledObject:
    """One object in a label: its class and its outline.

    ``polygons``: corners (x, y) in the photo's pixels; empty if the object has no
    outline, in which case ``shape`` is what it has instead ("box", "point" ...).
    ``number``: the number of the class, in formats that number classes.
    """

    class_name: str
    polygons: tuple[Corners, ...] = ()
    shape: str = "polygon"
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """The objects on one photo.

    ``size``: (width, height) of the labelled photo in pixels, if the file has it.
    ``damaged``: whether the whole photo is labelled as damaged, if the file says so.
    ``group``: the car that the photo shows, if the file says so.
    """

    image: Path
    objects: tuple[LabelledObject, ...] = ()
    size: tuple[int, int] | None = None
    damaged: bool | None = None
    group: str = ""


def read_json(path: Path) -> Any:
    """The JSON document in ``path``.  Raises `PhotosError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise PhotosError(f"{path}: not JSON: {error}") from None


def pairs(numbers: Iterable[Any]) -> Corners:
    """Corners from ``x1, y1, x2, y2 ...``; raises `ValueError` for an odd count."""
    flat = [float(number) for number in numbers]
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def traced(mask: NDArray[np.uint8], left: int = 0, top: int = 0) -> tuple[Corners, ...]:
    """Polygons around the regions of a mask (H x W, not 0 inside); holes are filled.

    ``left`` and ``top``: the place of the mask's corner in the photo, px.
    """
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return tuple(
        tuple((float(x + left), float(y + top)) for x, y in contour[:, 0])
        for contour in found
        if len(contour) > 2
    )
