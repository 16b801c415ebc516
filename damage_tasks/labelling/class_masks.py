"""Masks of exported photos: the class of each pixel."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.overlay import class_mask_png
from damage_tasks.reviewed_areas import Area

# As in masks for training (`model_training.data.labelled_photos`); 0 means undamaged.
CLASS_IDS = {"scratch": 1, "dent": 2, "spacing": 3, "breakage": 4}
OTHER_DAMAGE = 5


def draw_class_mask(areas: Iterable[Area], width: int, height: int) -> bytes:
    """The PNG of a mask of ``width`` x ``height`` pixels whose values are class ids.

    Areas without an outline are not drawn.
    """
    mask = np.zeros((height, width), np.uint8)
    outlines = [(_corners(area), area.type) for area in areas if area.polygon]
    # Large areas first, so that a scratch inside a dent stays visible.
    outlines.sort(key=lambda outline: cv2.contourArea(outline[0]), reverse=True)
    for corners, type in outlines:
        cv2.fillPoly(mask, [corners], CLASS_IDS.get(type or "", OTHER_DAMAGE))
    return class_mask_png(mask)


def _corners(area: Area) -> NDArray[np.int32]:
    return np.array(area.polygon, np.int32)
