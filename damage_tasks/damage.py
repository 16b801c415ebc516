"""Damaged areas of a photo, and the rules for their severity."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How severe damage is, according to `severity_of`."""

    MINOR = "minor"
    MODERATE = "moderate"
    SEVERE = "severe"


# Shares of the photo's area.  These are fixed rules until there are labels from inspectors to learn
# from; every `Damage` also contains the figures that its severity is based on.
MODERATE_AREA_RATIO = 0.005
SEVERE_AREA_RATIO = 0.05
MARGIN = 0.35  # of a damaged area's size, around it in its enlarged view
SMALLEST_RATIO = 0.1  # of the photo's shorter side: smaller areas have the view of that size
# Broken glass, lamps and torn panels make a car unsafe at any size.
UNSAFE_TYPES = frozenset({"breakage"})


def severity_of(type: str, area_ratio: float) -> Severity:
    """Severity of damage of ``type`` that covers ``area_ratio`` (0 to 1) of the photo."""
    if area_ratio >= SEVERE_AREA_RATIO:
        return Severity.SEVERE
    if type in UNSAFE_TYPES:
        return Severity.SEVERE if area_ratio >= MODERATE_AREA_RATIO else Severity.MODERATE
    return Severity.MODERATE if area_ratio >= MODERATE_AREA_RATIO else Severity.MINOR


@dataclass(frozen=True, slots=True)
class Damage:
    """One damaged region, in pixels of the full photo after EXIF rotation.

    ``bbox`` is (x, y, width, height). ``polygon`` is the outline as (x, y) corners; the first
    corner is not repeated. ``confidence`` is the mean probability inside the outline, 0 to 1.
    """

    type: str
    confidence: float
    severity: Severity
    area_px: int
    area_ratio: float
    bbox: tuple[int, int, int, int]
    polygon: tuple[tuple[int, int], ...]


def enlarged_view(
    bbox: tuple[int, int, int, int],
    width: int,
    height: int,
    smallest_ratio: float = SMALLEST_RATIO,
) -> tuple[int, int, int]:
    """The square that shows a damaged area large, as (left, top, side) in pixels.

    ``bbox`` is the area's (x, y, width, height); an area whose larger side is less than
    ``smallest_ratio`` of the photo's shorter side has the same view as one of that size.
    The square lies within the photo of ``width`` x ``height`` pixels.
    """
    x, y, box_width, box_height = bbox
    side = max(box_width, box_height, min(width, height) * smallest_ratio) * (1 + 2 * MARGIN)
    side = min(side, width, height)
    left = min(max(x + box_width / 2 - side / 2, 0), width - side)
    top = min(max(y + box_height / 2 - side / 2, 0), height - side)
    return round(left), round(top), round(side)
