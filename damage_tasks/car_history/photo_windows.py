"""Cuts the same window out of two photos that a homography relates."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.car_history.view_matching import Matrix, local_derivative, transform

MARGIN_SHARE, MIN_MARGIN_PX = 0.6, 40  # of the area's size, around it
WINDOW_PX = 480  # the longer side of a window, at most

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]
Cover = NDArray[np.bool_]
Size = tuple[int, int]  # width and height


def window_around(inside: Cover) -> tuple[Size, Matrix]:
    """The size of a window around an area, and the map from it to the photo."""
    x, y, width, height = cv2.boundingRect(inside.astype(np.uint8))
    margin = max(MIN_MARGIN_PX, round(MARGIN_SHARE * max(width, height)))
    left, top = max(x - margin, 0), max(y - margin, 0)
    right = min(x + width + margin, inside.shape[1])
    bottom = min(y + height + margin, inside.shape[0])
    step = max(1.0, max(right - left, bottom - top) / WINDOW_PX)
    size = max(8, round((right - left) / step)), max(8, round((bottom - top) / step))
    return size, np.array([[step, 0, left], [0, step, top], [0, 0, 1.0]])


def scale_of(matrix: Matrix, size: Size) -> float:
    """How many pixels of a photo are behind one of the window, by length."""
    derivative = local_derivative(matrix, np.array([size[0] / 2, size[1] / 2]))
    return math.sqrt(abs(np.linalg.det(derivative)))


def cut(photo: Grey, matrix: Matrix, size: Size) -> Floats:
    """The window whose pixels ``matrix`` maps to those of ``photo``."""
    # Only the part that is needed, because blurring takes long.
    corners = np.array([(0, 0), (size[0], 0), (0, size[1]), size], float)
    low = np.maximum(transform(matrix, corners).min(axis=0) - 16, 0).astype(int)
    high = np.maximum(transform(matrix, corners).max(axis=0) + 16, low + 2).astype(int)
    part = photo[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    moved = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]]) @ matrix
    return np.asarray(
        cv2.warpPerspective(
            blurred(part, scale_of(matrix, size)),
            moved,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.float32,
    )


def cut_cover(cover: Cover, matrix: Matrix, size: Size) -> Cover:
    """The same part of a mask; False outside the photo."""
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(cover.astype(np.uint8), matrix, size, flags=flags) > 0)


def blurred(picture: Floats, scale: float) -> Floats:
    """``picture`` with the details that remain when it is reduced by ``scale``."""
    if scale <= 1.15:
        return picture
    blurred = cv2.GaussianBlur(picture, (0, 0), 0.5 * math.sqrt(scale**2 - 1))
    return np.asarray(blurred, np.float32)
