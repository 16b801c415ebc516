"""Where a mask has anything: most have little, and only there it is looked at."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice]  # rows and columns


def box_around(mask: NDArray[np.bool_], margin: int = 0) -> Box | None:
    """The rows and columns of the true pixels of ``mask`` (H x W), and ``margin`` pixels more.

    None where there are none.
    """
    left, top, across, down = cv2.boundingRect(mask.view(np.uint8))
    if not across:
        return None
    rows = slice(max(0, top - margin), top + down + margin)
    return rows, slice(max(0, left - margin), left + across + margin)
