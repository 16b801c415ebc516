"""Spacing for measurements, drawn on clean photos along panel borders and on drawn cars.

No public photos of spacing exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.samples.car_photo import draw_sample
from model_training.data.labelled_photos import SPACING
from model_training.data.panel_borders import find_panel_borders
from model_training.data.vehicle_masks import ImageNetClassifier, vehicle_mask
from model_training.synthetic.drawn_damage import draw_spacing

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]

PHOTO_LONG_SIDE_PX = 640  # px, the longer side of the photos drawn on
CAR_SIZE_PX = (640, 480)


def opened_borders(
    cleans: Iterable[Photo], seed: int, classifier: ImageNetClassifier
) -> Iterator[tuple[Photo, Mask]]:
    """Clean photos (H x W x 3 uint8, BGR) with a drawn opening along a panel border.

    Yields each with its mask (0 or 1), at up to 640 px; photos without a border are
    skipped.  Half of the views are close-ups around the gap.  ``classifier`` locates
    the vehicle.
    """
    rng = np.random.default_rng(seed)
    for whole in cleans:
        scale = min(1.0, PHOTO_LONG_SIDE_PX / max(whole.shape[:2]))
        size = (round(whole.shape[1] * scale), round(whole.shape[0] * scale))
        photo = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
        borders = find_panel_borders(photo, vehicle_mask(classifier, photo))
        if not borders:
            continue
        border = borders[int(rng.integers(min(3, len(borders))))]
        drawn, mask = draw_spacing(photo, border, rng)
        if rng.random() < 0.5 and mask.any():
            ys, xs = np.nonzero(mask)
            height, width = mask.shape
            h, w = int(height * rng.uniform(0.45, 0.7)), int(width * rng.uniform(0.45, 0.7))
            y = int(np.clip(ys.mean() - h * rng.uniform(0.3, 0.7), 0, height - h))
            x = int(np.clip(xs.mean() - w * rng.uniform(0.3, 0.7), 0, width - w))
            drawn, mask = drawn[y : y + h, x : x + w], mask[y : y + h, x : x + w]
        yield np.ascontiguousarray(drawn), np.ascontiguousarray(mask)


def cars_with_spacing(seeds: Iterable[int]) -> Iterator[tuple[Photo, Mask]]:
    """Drawn cars with one open panel border, and its mask (0 or 1)."""
    for seed in seeds:
        sample = draw_sample(seed, size=CAR_SIZE_PX, damages=("spacing",))
        yield sample.photo, (sample.mask == SPACING).astype(np.uint8)
