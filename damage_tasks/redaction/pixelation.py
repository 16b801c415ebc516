"""Pixelates areas so coarsely that neither characters nor features remain."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.redaction.regions import Region, area_mask

Pixels = NDArray[np.uint8]

# Squares along the longer side of an area.  A plate has 7 characters or more on a line, so that
# each square mixes several of them; with smaller squares, characters can be reconstructed.
SQUARES = 5


def pixelate(pixels: Pixels, regions: list[Region]) -> Pixels:
    """A copy of ``pixels`` (H x W x 3 uint8) with ``regions`` pixelated."""
    result = pixels.copy()
    height, width = pixels.shape[:2]
    for region in regions:
        left, top = np.clip(np.floor(region.outline.min(0)), 0, (width, height)).astype(int)
        right, bottom = np.clip(np.ceil(region.outline.max(0)) + 1, 0, (width, height)).astype(int)
        if right <= left or bottom <= top:
            continue
        part = result[top:bottom, left:right]
        inside = area_mask([region], (width, height))[top:bottom, left:right] > 0
        part[inside] = _coarse(part)[inside]
    return result


def _coarse(part: Pixels) -> Pixels:
    height, width = part.shape[:2]
    square = max(height, width) / SQUARES
    size = max(1, round(width / square)), max(1, round(height / square))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(large, np.uint8)
