"""Labels of faces and plates: a CSV file with one box a line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from model_training.data.labelled_photos import PhotosError

Subject = Literal["face", "plate"]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)
COLUMNS = ("photo", "subject", "left", "top", "width", "height")


@dataclass(frozen=True, slots=True)
class PrivateRegion:
    """A box around a face or a plate: (left, top, width, height) as shares of the photo."""

    subject: Subject
    box: tuple[float, float, float, float]


def read_private_regions(path: Path) -> dict[str, tuple[PrivateRegion, ...]]:
    """The labels in ``path``: for each photo's id, its faces and plates.

    A line whose ``subject`` is empty says that somebody looked at the photo and found none.
    Coordinates are shares of the photo's width and height.  Raises `PhotosError`.
    """
    found: dict[str, list[PrivateRegion]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise PhotosError(f"{path}: cannot be read: {error}") from None
    for number, row in enumerate(rows, 2):
        try:
            regions = found.setdefault(row["photo"], [])
            if row["subject"]:
                regions.append(_region(row))
        except (KeyError, TypeError, ValueError) as error:
            raise PhotosError(
                f"{path}, line {number}: {error!r}; needs the columns {', '.join(COLUMNS)}"
            ) from None
    return {photo: tuple(regions) for photo, regions in found.items()}


def boxes_in_pixels(
    regions: Sequence[PrivateRegion], subject: Subject, width: int, height: int
) -> list[tuple[int, int, int, int]]:
    """The boxes (left, top, right, bottom) of one subject in a photo of ``width`` x ``height``."""
    return [
        (
            round(left * width),
            round(top * height),
            round((left + across) * width),
            round((top + down) * height),
        )
        for left, top, across, down in (r.box for r in regions if r.subject == subject)
    ]


def _region(row: dict[str, str]) -> PrivateRegion:
    subject = row["subject"]
    if subject not in SUBJECTS:
        raise ValueError(f"subject {subject} is not one of {', '.join(SUBJECTS)}")
    left, top, width, height = (float(row[name]) for name in COLUMNS[2:])
    if not (0 <= left < 1 and 0 <= top < 1 and 0 < width <= 1 and 0 < height <= 1):
        raise ValueError("a box is not inside the photo")
    return PrivateRegion(subject, (left, top, width, height))  # type: ignore[arg-type]
