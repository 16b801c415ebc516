"""Fast downscaling of images."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def shrink(picture: Pixels, size: tuple[int, int], *, smooth: bool = False) -> Pixels:
    """``picture`` (H x W x 3 uint8) scaled down to ``size`` (width, height).

    OpenCV vectorises halving: several halvings and one last step give the same result as an area
    resize in a fraction of the time.  The last step is linear, or by area if ``smooth`` is true,
    which keeps noise out of measurements.
    """
    width, height = size
    while picture.shape[1] >= 2 * width and picture.shape[0] >= 2 * height:
        half = picture.shape[1] // 2, picture.shape[0] // 2
        picture = np.asarray(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), np.uint8)
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    last = cv2.INTER_AREA if smooth else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=last), np.uint8)


def fitting(picture: Pixels, side: int) -> tuple[int, int]:
    """The (width, height) of ``picture`` with a longer side of at most ``side`` pixels."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def reduce(picture: Pixels, factor: int) -> Pixels:
    """The mean of each square of ``factor`` x ``factor`` pixels (H x W x 3 uint8).

    Incomplete squares at the right and bottom edges become separate pixels, as in libjpeg.
    """
    if factor == 1:
        return picture
    height, width = picture.shape[:2]
    rows, columns = height - height % factor, width - width % factor
    reduced = np.empty((-(-height // factor), -(-width // factor), 3), np.uint8)
    for down in (slice(0, rows), slice(rows, height)):
        for across in (slice(0, columns), slice(columns, width)):
            part = picture[down, across]
            if not part.size:
                continue
            place = reduced[down.start // factor :, across.start // factor :]
            if part.shape[0] >= factor:
                place = place[: part.shape[0] // factor]
            if part.shape[1] >= factor:
                place = place[:, : part.shape[1] // factor]
            place[:] = cv2.resize(part, place.shape[1::-1], interpolation=cv2.INTER_AREA)
    return reduced
