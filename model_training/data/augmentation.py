"""Training views: a crop of a photo under random geometry, light and compression.

A view is cut with a single warp (scale, rotation, mirroring, position), so each pixel is
interpolated once; albumentations then changes light, sharpness and compression.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # no network request at import
import albumentations as A

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """How views are cut; scales relate the photo's longer side to ``long_side`` px."""

    long_side: int = 400
    smallest: float = 0.68
    largest: float = 1.7
    close_up: tuple[float, float] = (1.3, 3.2)
    tilt: float = 8.0  # standard deviation of the rotation, degrees
    turned: float = 0.15  # share of views rotated by 90 or 180 degrees


def view_matrix(
    shape: tuple[int, int],
    size: tuple[int, int],
    centre: tuple[float, float],
    settings: ViewSettings,
    rng: Random,
    close_up: bool = False,
) -> NDArray[np.float64]:
    """A 2 x 3 matrix from photo to view pixels.

    ``shape`` and ``size`` are (height, width) of photo and view; ``centre``
    (x, y) of the photo falls near the view's middle.  If the photo is large
    enough, the view stays inside it.
    """
    height, width = shape
    if close_up:
        zoom = rng.uniform(*settings.close_up)
    else:
        zoom = math.exp(rng.uniform(math.log(settings.smallest), math.log(settings.largest)))
    scale = settings.long_side / max(height, width) * zoom
    angle = float(np.clip(rng.normal(0, settings.tilt), -25, 25))
    if rng.random() < settings.turned:
        angle += 90.0 * int(rng.integers(1, 4))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[0] *= math.exp(rng.normal(0, 0.1))  # aspect
    spread = np.array([size[1], size[0]]) * rng.uniform(-0.3, 0.3, 2)
    matrix[:, 2] += np.array([size[1], size[0]]) / 2 + spread - matrix @ [*centre, 1.0]
    # Move the view back inside the photo; centre it if the photo is too small.
    corners = matrix @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1.0]])
    low, high = corners.min(1), corners.max(1)
    for axis, extent in enumerate((size[1], size[0])):
        if high[axis] - low[axis] <= extent:
            middle = (low[axis] + high[axis]) / 2
            matrix[axis, 2] += (
                extent / 2 - middle + rng.uniform(-0.5, 0.5) * (extent - (high[axis] - low[axis]))
            )
        elif low[axis] > 0:
            matrix[axis, 2] -= low[axis]
        elif high[axis] < extent:
            matrix[axis, 2] += extent - high[axis]
    if rng.random() < 0.5:
        matrix = np.array([[-1, 0, size[1] - 1], [0, 1, 0]]) @ np.vstack([matrix, [0, 0, 1]])
    return np.asarray(matrix, np.float64)


def cut(
    photo: Photo, layer: Mask, matrix: NDArray[np.float64], size: tuple[int, int]
) -> tuple[Photo, Mask]:
    """The view of ``photo`` and of its label ``layer`` (H x W uint8), both at ``size``.

    Both are mirrored beyond the photo's border, so that mirrored damage keeps its label.
    """
    shrink = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if shrink < 0.6:  # bilinear sampling alone would alias
        photo = cv2.GaussianBlur(photo, (0, 0), 0.35 / shrink)
    to = (size[1], size[0])
    border = cv2.BORDER_REFLECT_101
    view = cv2.warpAffine(photo, matrix, to, flags=cv2.INTER_LINEAR, borderMode=border)
    labels = cv2.warpAffine(layer, matrix, to, flags=cv2.INTER_NEAREST, borderMode=border)
    return np.asarray(view, np.uint8), np.asarray(labels, np.uint8)


def photometric(strength: float = 1.0) -> A.Compose:
    """Changes of light, colour, sharpness and compression, as phones and web sites make them."""
    s = strength
    return A.Compose(
        [
            A.RandomBrightnessContrast((-0.3 * s, 0.3 * s), (-0.35 * s, 0.35 * s), p=0.7),
            A.RandomGamma((60, 160), p=0.3),
            A.HueSaturationValue(round(12 * s), round(45 * s), round(15 * s), p=0.4),
            A.ToGray(p=0.05),
            A.RandomShadow((0, 0, 1, 1), (1, 2), shadow_intensity_range=(0.25, 0.6), p=0.08),
            A.OneOf(
                [
                    A.GaussianBlur((3, 5), (0.3, 1.3)),
                    A.MotionBlur((3, 5)),
                    A.Downscale((0.45, 0.8)),
                ],
                p=0.25,
            ),
            A.GaussNoise((0.01, 0.05), p=0.2),
            A.ImageCompression("jpeg", (35, 90), p=0.35),
        ]
    )


def perspective() -> A.Compose:
    """A slight change of the camera's position."""
    return A.Compose(
        [A.Perspective((0.02, 0.07), fit_output=False, border_mode=cv2.BORDER_REFLECT_101, p=0.2)]
    )


def close_up(photo: Photo, rng: Random) -> Photo:
    """A crop of 35 to 60 % of each side, mostly of the vehicle in the photo's middle."""
    height, width = photo.shape[:2]
    share = rng.uniform(0.35, 0.6)
    h, w = max(8, int(height * share)), max(8, int(width * share))
    y = int(rng.uniform(0.2 * height, max(0.2 * height, 0.9 * height - h)))
    x = int(rng.uniform(0.1 * width, max(0.1 * width, 0.9 * width - w)))
    return np.ascontiguousarray(photo[y : y + h, x : x + w])


def spoil(view: Photo, rng: Random) -> Photo:
    """``view`` made unusable: blurred, shaken, dark or over-exposed."""
    side = max(view.shape[:2])
    fault = rng.choice(["blur", "shake", "dark", "bright"])
    if fault == "blur":
        return cv2.GaussianBlur(view, (0, 0), side * rng.uniform(0.009, 0.035))
    if fault == "shake":
        return _shaken(view, round(side * rng.uniform(0.05, 0.14)), rng.uniform(0, math.pi))
    if fault == "dark":
        light = view.astype(np.float32) * rng.uniform(0.02, 0.14)
        grain = rng.normal(0, rng.uniform(0.5, 5), view.shape)
        return np.clip(light + grain, 0, 255).astype(np.uint8)
    light = view.astype(np.float32) * rng.uniform(1.2, 2.5) + rng.uniform(110, 190)
    return np.clip(light, 0, 255).astype(np.uint8)


def _shaken(view: Photo, length: int, angle: float) -> Photo:
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    reach = np.array([math.cos(angle), math.sin(angle)]) * middle
    begin, end = middle - reach, middle + reach
    cv2.line(
        kernel,
        (round(float(begin[0])), round(float(begin[1]))),
        (round(float(end[0])), round(float(end[1]))),
        1.0,
    )
    return cv2.filter2D(view, -1, kernel / max(float(kernel.sum()), 1e-6))
