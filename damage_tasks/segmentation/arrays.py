"""Arrays in and out of networks: photos become inputs, logits become masks."""

from __future__ import annotations

import os
import sys
from functools import cache, lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.scaling import shrink
from model_store.manifest import Calibration, Input, MaskPolicy

Pixels = NDArray[np.uint8]
Probabilities = NDArray[np.float32]

# Of the guided filter: its window as a share of the longer side, and how strong an
# edge must be to hold a mask back (variance of values from 0 to 1).
GUIDE_RADIUS = 0.008
GUIDE_EDGE = 1e-3


def prepare(pixels: Pixels, form: Input, long_side: int | None = None) -> Probabilities:
    """A photo (H x W x 3 uint8, BGR) as a network's input (3 x h x w float32, RGB, normalised)."""
    height, width = pixels.shape[:2]
    scale = (long_side or form.long_side) / max(height, width)
    step = form.multiple_of
    rows, columns = (max(step, round(side * scale / step) * step) for side in (height, width))
    if rows <= height and columns <= width:
        pixels = shrink(pixels, (columns, rows), smooth=True)
    transform = _transform(rows, columns, form.mean, form.std)
    rgb = transform(image=pixels)["image"][..., ::-1]
    return np.ascontiguousarray(rgb.transpose(2, 0, 1))


@lru_cache(maxsize=64)
def _transform(
    rows: int,
    columns: int,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> Any:
    A = import_albumentations()  # noqa: N806
    # Given in BGR order, so that the channels are swapped on the small picture.
    return A.Compose(
        [
            A.Resize(rows, columns, interpolation=cv2.INTER_LINEAR),
            A.Normalize(mean=mean[::-1], std=std[::-1], max_pixel_value=255.0),
        ]
    )


@cache
def import_albumentations() -> Any:
    """The library, without what it would load beside it."""
    # It asks a server for its newest version when it is imported.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    # It also imports torch where there is one, for tensors that nobody here asks it for: two
    # seconds and 180 MB of every process.
    bridge = "albumentations.pytorch"
    hidden = bridge not in sys.modules
    if hidden:
        sys.modules[bridge] = None  # type: ignore[assignment]
    try:
        import albumentations
    finally:
        if hidden:
            sys.modules.pop(bridge, None)
    return albumentations


def cut(probabilities: Probabilities, policy: MaskPolicy) -> NDArray[np.bool_]:
    """The mask (H x W bool) that ``policy`` cuts from probabilities (H x W, 0 to 1)."""
    sure = probabilities >= policy.threshold
    if policy.kind == "threshold" or policy.low is None or not sure.any():
        return sure
    faint = (probabilities >= policy.low).astype(np.uint8)
    _, labels = cv2.connectedComponents(faint, connectivity=8)
    kept = np.zeros(labels.max() + 1, bool)
    kept[labels[sure]] = True
    kept[0] = False
    return kept[labels]


def refined(probabilities: Probabilities, photo: Pixels) -> Probabilities:
    """Probabilities (H x W) that follow the edges of ``photo`` (H x W x 3 uint8, BGR).

    A guided filter (He, Sun and Tang, ECCV 2010): what a CRF was used for, in a
    few milliseconds.
    """
    guide = cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
    radius = max(2, round(GUIDE_RADIUS * max(guide.shape)))

    def mean(values: Any) -> Any:
        return cv2.blur(values, (2 * radius + 1, 2 * radius + 1))

    guide_mean, mean_found = mean(guide), mean(probabilities)
    variance = mean(guide * guide) - guide_mean * guide_mean
    slope = (mean(guide * probabilities) - guide_mean * mean_found) / (variance + GUIDE_EDGE)
    offset = mean_found - slope * guide_mean
    return np.clip(mean(slope) * guide + mean(offset), 0, 1)


def calibrated(logits: Any, calibration: Calibration) -> Any:
    """Logits after Platt scaling (Platt, 1999)."""
    return logits * np.float32(calibration.scale) + np.float32(calibration.offset)


def sigmoid(logits: Any) -> Any:
    """The logistic function, without overflow for large negative logits."""
    return (np.tanh(logits * np.float32(0.5)) + 1) * np.float32(0.5)


def add_sigmoid(total: Probabilities, logits: Probabilities) -> None:
    """Add the logistic function of ``logits`` to ``total``, both H x W float32; logits are lost.

    `sigmoid` in a fifth of the time, for pictures.
    """
    np.negative(logits, out=logits)
    cv2.exp(logits, logits)  # infinite beyond -88, and 1 / infinity is 0
    logits += 1
    np.reciprocal(logits, out=logits)
    total += logits
