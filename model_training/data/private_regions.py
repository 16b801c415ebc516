"""Labels of faces and plates: a CSV file with one outline in each line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from model_store.manifest import Subject
from model_training.data.labelled_photos import PhotosError

SUBJECTS: tuple[Subject, ...] = get_args(Subject)
COLUMNS = ("photo", "subject", "corners")
MIN_CORNERS = 3


@dataclass(frozen=True, slots=True)
class PrivateRegion:
    """The outline of a face or a plate: corners (x, y) as shares of the photo's sides."""

    subject: Subject
    corners: tuple[tuple[float, float], ...]

    def mask(self, width: int, height: int) -> NDArray[np.bool_]:
        """The outlined area of a photo of ``width`` x ``height`` pixels (H x W bool)."""
        drawn = np.zeros((height, width), np.uint8)
        corners = np.array(self.corners) * (width, height)
        cv2.fillPoly(drawn, [np.round(corners).astype(np.int32)], 1)
        return drawn.astype(bool)


def read_private_regions(path: Path) -> dict[str, tuple[PrivateRegion, ...]]:
    """The labels in ``path``: for each photo's id, its faces and plates.

    ``corners`` is ``x,y x,y x,y x,y`` in shares of the photo's width and height.  A line whose
    ``subject`` is empty says that somebody looked at the photo and found none.  Raises
    `PhotosError`.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise PhotosError(f"{path}: cannot be read: {error}") from None
    found: dict[str, list[PrivateRegion]] = {}
    for number, row in enumerate(rows, 2):
        try:
            regions = found.setdefault(row["photo"], [])
            if row["subject"]:
                regions.append(_region(row["subject"], row["corners"]))
        except (KeyError, AttributeError, ValueError) as error:
            raise PhotosError(
                f"{path}, line {number}: {error!r}; the columns are {', '.join(COLUMNS)}"
            ) from None
    return {photo: tuple(regions) for photo, regions in found.items()}


def _region(subject: str, text: str) -> PrivateRegion:
    known = next((each for each in SUBJECTS if each == subject), None)
    if known is None:
        raise ValueError(f"subject {subject} is not one of {', '.join(SUBJECTS)}")
    corners: list[tuple[float, float]] = []
    for pair in text.split():
        x, y = (float(value) for value in pair.split(","))
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise ValueError(f"{pair} is not inside the photo")
        corners.append((x, y))
    if len(corners) < MIN_CORNERS:
        raise ValueError(f"{text} has fewer than {MIN_CORNERS} corners")
    return PrivateRegion(known, tuple(corners))


def of_subject(regions: Sequence[PrivateRegion], subject: Subject) -> list[PrivateRegion]:
    """The regions of one subject."""
    return [region for region in regions if region.subject == subject]
