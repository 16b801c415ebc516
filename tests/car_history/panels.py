"""Pictures of a panel from different places and in different light, with or without a scratch."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Matrix = NDArray[np.float64]

WIDTH, HEIGHT = 640, 480
SCRATCH = ((250, 200), (390, 200), (390, 260), (250, 260))
OTHER_PLACE = ((60, 340), (180, 340), (180, 400), (60, 400))


def panel(seed: int = 1) -> Pixels:
    """A panel with marks of many sizes, as dirt, reflections and edges are."""
    rng = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH), 120, np.float32)
    for cells, strength in ((6, 30), (20, 22), (60, 22)):
        noise = rng.normal(0, strength, (cells * HEIGHT // WIDTH, cells)).astype(np.float32)
        picture += cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    grey = np.clip(picture, 20, 235).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def scratched(picture: Pixels, outline: tuple[tuple[int, int], ...] = SCRATCH) -> Pixels:
    """``picture`` with strokes inside ``outline``, which is a rectangle.

    They are steep in `OTHER_PLACE`.
    """
    (left, top), (right, bottom) = outline[0], outline[2]
    result = picture.copy()
    if outline == OTHER_PLACE:
        strokes = [((x, top + 4), (x + 8, bottom - 4)) for x in range(left + 8, right - 16, 14)]
    else:
        strokes = [((left + 6, y), (right - 6, y + 6)) for y in range(top + 8, bottom - 6, 12)]
    for (x, y), (end_x, end_y) in strokes:
        cv2.line(result, (x, y), (end_x, end_y), (250, 250, 250), 3, cv2.LINE_AA)
        cv2.line(result, (x + 3, y + 4), (end_x + 3, end_y + 4), (30, 30, 30), 2, cv2.LINE_AA)
    return result


def view(turn: float = 0.0, zoom: float = 1.0, shift: tuple[float, float] = (0, 0)) -> Matrix:
    """The map from the panel to a photo that is turned by ``turn`` degrees and slanted."""
    around = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), turn, zoom)
    around[:, 2] += shift
    slant = np.array([[1, 0.03, 0], [0, 1, 0], [0.00008, 0, 1.0]])
    return np.vstack([around, [0, 0, 1]]) @ slant


def photographed(
    picture: Pixels, matrix: Matrix, *, gain: float = 0.9, blur: float = 0.6, seed: int = 5
) -> Pixels:
    """A photo of the panel in other light, with noise; ``matrix`` as from `view`."""
    height, width = picture.shape[:2]
    photo = cv2.warpPerspective(picture, matrix, (width, height), borderValue=(90, 90, 90))
    light = photo.astype(np.float32) * gain + np.linspace(0, 15, width, dtype=np.float32)[:, None]
    light = cv2.GaussianBlur(light, (0, 0), blur)
    light += np.random.default_rng(seed).normal(0, 2, light.shape)
    return np.clip(light, 0, 255).astype(np.uint8)


def jpeg_of(picture: Pixels) -> bytes:
    """``picture`` as a JPEG."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
