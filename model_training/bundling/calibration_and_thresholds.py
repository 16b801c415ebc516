"""Parameters chosen on validation photos: calibration, thresholds, the damage score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from damage_tasks.vision.view_results import LOGIT_LIMIT

Floats = NDArray[np.floating]
THRESHOLD_BINS = 200
MANIFEST_DIGITS = 5  # of numbers in a manifest
MIN_PHOTOS_FOR_THRESHOLD = 15  # too few for a threshold far from 0.5


def logistic_fit(
    features: Floats, labels: Floats, weights: Floats | None = None, ridge: float = 1e-2
) -> NDArray[np.float64]:
    """Logistic regression by Newton's method; returns the coefficients, then the offset.

    ``features`` N x D, ``labels`` and ``weights`` N.  Labels are moved slightly inwards from 0
    and 1 as Platt (1999) advises, so that separable scores stay finite.
    """
    x = np.column_stack([np.asarray(features, np.float64), np.ones(len(labels))])
    y = np.asarray(labels, np.float64)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    positive, negative = w[y > 0.5].sum(), w[y <= 0.5].sum()
    y = np.where(y > 0.5, (positive + 1) / (positive + 2), 1 / (negative + 2))
    found = np.zeros(x.shape[1])
    penalty = np.full(x.shape[1], ridge)
    penalty[-1] = 0
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        slope = x.T @ (w * (p - y)) + penalty * found
        curve = (x * (w * p * (1 - p))[:, None]).T @ x + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curve, slope)
        found -= step
        if np.abs(step).max() < 1e-8:
            break
    return found


def logit(probability: Floats) -> NDArray[np.float64]:
    """log(p / (1 - p)), limited to +-8."""
    p = np.clip(np.asarray(probability, np.float64), 1e-6, 1 - 1e-6)
    return np.clip(np.log(p / (1 - p)), -LOGIT_LIMIT, LOGIT_LIMIT)


def balanced(labels: Sequence[bool]) -> NDArray[np.float64]:
    """Weights that give both labels the same total; they sum to N."""
    y = np.asarray(labels, bool)
    return np.where(y, len(y) / 2 / max(y.sum(), 1), len(y) / 2 / max((~y).sum(), 1))


@dataclass(slots=True)
class ThresholdSweep:
    """Pooled overlap of one mask channel at every threshold, without storing the masks."""

    hits: NDArray[np.float64] = field(default_factory=lambda: np.zeros(THRESHOLD_BINS))
    misses: NDArray[np.float64] = field(default_factory=lambda: np.zeros(THRESHOLD_BINS))
    photos: int = 0  # with true pixels

    def add(self, probability: Floats, truth: NDArray[np.bool_]) -> None:
        """Add one photo (H x W, 0 to 1, and H x W bool); all photos have the same weight."""
        bins = np.minimum((probability * THRESHOLD_BINS).astype(np.int64), THRESHOLD_BINS - 1)
        self.hits += np.bincount(bins[truth], minlength=THRESHOLD_BINS) / truth.size
        self.misses += np.bincount(bins[~truth], minlength=THRESHOLD_BINS) / truth.size
        self.photos += bool(truth.any())

    def iou(self) -> NDArray[np.float64]:
        """IoU if the mask is everything at or above bin / `THRESHOLD_BINS`."""
        inside = np.cumsum(self.hits[::-1])[::-1]
        outside = np.cumsum(self.misses[::-1])[::-1]
        return inside / np.maximum(self.hits.sum() + outside, 1e-12)

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Precision and recall of the pixels, by increasing threshold."""
        inside = np.cumsum(self.hits[::-1])[::-1]
        outside = np.cumsum(self.misses[::-1])[::-1]
        precision = inside / np.maximum(inside + outside, 1e-12)
        return precision, inside / max(float(self.hits.sum()), 1e-12)

    def best(self) -> tuple[float, float]:
        """The threshold with the highest IoU, and that IoU.

        It lies between 0.2 and 0.8, and closer to 0.5 if few photos show the damage;
        the middle of a plateau (within 0.002) is used.  Both generalise better.
        """
        low, high = (0.35, 0.65) if self.photos < MIN_PHOTOS_FOR_THRESHOLD else (0.2, 0.8)
        iou = self.iou()
        window = slice(round(low * THRESHOLD_BINS), round(high * THRESHOLD_BINS) + 1)
        near = np.flatnonzero(iou[window] >= iou[window].max() - 0.002) + window.start
        chosen = int(near[len(near) // 2])
        return chosen / THRESHOLD_BINS, float(iou[chosen])

    def lowest(self, within: float) -> tuple[float, float]:
        """The lowest threshold whose IoU is ``within`` that of `best`, and its IoU.

        For a mask that decides whether there is damage, so that faint damage is not lost for a
        slightly tighter outline.
        """
        best, overlap = self.best()
        iou = self.iou()
        first = round(0.2 * THRESHOLD_BINS)
        good = (
            np.flatnonzero(iou[first : round(best * THRESHOLD_BINS) + 1] >= overlap - within)
            + first
        )
        return int(good[0]) / THRESHOLD_BINS, float(iou[good[0]])


def gate_threshold(damaged: Floats, recall: float = 0.99, margin: float = 0.5) -> float:
    """A gate's threshold that at least ``recall`` of the ``damaged`` scores reach.

    With fewer than 1 / (1 - recall) photos, all of them do.  The lowest score of a
    small sample is an optimistic estimate, so the threshold lies at ``margin`` of
    the odds of the next one; if the lowest is further away than that, just
    below it.
    """
    ordered = np.sort(np.asarray(damaged, np.float64))
    lost = int((1 - recall) * len(ordered))
    after = min(lost + 1, len(ordered) - 1)
    found = min(_odds_times(ordered[lost], 0.95), _odds_times(ordered[after], margin))
    # Rounding up could lose a photo.
    return math.floor(found * 10**MANIFEST_DIGITS) / 10**MANIFEST_DIGITS


def _odds_times(probability: float, factor: float) -> float:
    odds = factor * probability / max(1 - probability, 1e-9)
    return float(odds / (1 + odds))
