"""Bounding box of a mask's true pixels, so that later steps can skip the rest."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice]  # rows and columns


def box_around(mask: NDArray[np.bool_], margin: int = 0) -> Box | None:
    """Rows and columns that contain all true pixels of ``mask`` (H x W), plus ``margin`` pixels.

    None if no pixel is true.
    """
    left, top, across, down = cv2.boundingRect(mask.view(np.uint8))
    if not across:
        return None
    rows = slice(max(0, top - margin), top + down + margin)
    return rows, slice(max(0, left - margin), left + across + margin)
