"""The two thresholds of a hysteresis mask, chosen by pooled overlap."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

LOW_THRESHOLDS = np.round(np.arange(0.2, 0.71, 0.05), 3)
HIGH_THRESHOLDS = np.round(np.arange(0.2, 0.81, 0.05), 3)  # higher values overfit single photos


@dataclass(slots=True)
class HysteresisSweep:
    """Pooled overlap at every pair of thresholds, without storing the masks."""

    hits: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros((len(LOW_THRESHOLDS), len(HIGH_THRESHOLDS)))
    )
    claims: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros((len(LOW_THRESHOLDS), len(HIGH_THRESHOLDS)))
    )
    truth: float = 0.0

    def add(self, probability: Floats, truth: NDArray[np.bool_]) -> None:
        """Add one photo (H x W, 0 to 1, and H x W bool); all photos have the same weight."""
        self.truth += float(truth.mean())
        for row, low in enumerate(LOW_THRESHOLDS):
            faint = (probability >= low).astype(np.uint8)
            count, labels = cv2.connectedComponents(faint, connectivity=8)
            if count == 1:
                break
            flat = labels.ravel()
            areas = np.bincount(flat, minlength=count) / truth.size
            found = np.bincount(flat, weights=truth.ravel(), minlength=count) / truth.size
            surest = np.zeros(count)
            np.maximum.at(surest, flat, probability.ravel())
            areas[0] = found[0] = surest[0] = 0
            kept = surest[:, None] >= HIGH_THRESHOLDS
            self.hits[row] += found @ kept
            self.claims[row] += areas @ kept

    def best(self) -> tuple[float, float, float]:
        """The pair (low, high) with the highest IoU, and that IoU; low never exceeds high.

        The middle of a plateau of high (within 0.002) is used, because it generalises better.
        """
        iou = self.hits / np.maximum(self.claims + self.truth - self.hits, 1e-12)
        iou[LOW_THRESHOLDS[:, None] > HIGH_THRESHOLDS] = -1
        row = int(np.argmax(iou.max(1)))
        near = np.flatnonzero(iou[row] >= iou[row].max() - 0.002)
        column = int(near[len(near) // 2])
        return float(LOW_THRESHOLDS[row]), float(HIGH_THRESHOLDS[column]), float(iou[row, column])
