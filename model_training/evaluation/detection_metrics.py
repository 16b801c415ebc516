"""Figures of merit: overlap of masks, ranking of scores, false alarms at a recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = Sequence[float] | NDArray[np.floating]


@dataclass(slots=True)
class Overlap:
    """Pooled overlap of predicted and true masks; areas in any unit that suits."""

    intersection: float = 0.0
    predicted: float = 0.0
    true: float = 0.0
    photos: int = 0

    def add(self, mask: NDArray[np.bool_], truth: NDArray[np.bool_], weight: float = 1.0) -> None:
        """Count one photo's masks (H x W bool); ``weight``: the area of a pixel."""
        self.intersection += weight * float(np.count_nonzero(mask & truth))
        self.predicted += weight * float(np.count_nonzero(mask))
        self.true += weight * float(np.count_nonzero(truth))
        self.photos += bool(truth.any())

    @property
    def iou(self) -> float:
        """Intersection over union, 0 to 1; 0 where there is nothing."""
        union = self.predicted + self.true - self.intersection
        return self.intersection / union if union else 0.0

    @property
    def dice(self) -> float:
        """Dice coefficient (F1 of the pixels), 0 to 1; 0 where there is nothing."""
        total = self.predicted + self.true
        return 2 * self.intersection / total if total else 0.0


def roc_auc(positive: Scores, negative: Scores) -> float:
    """Area under the ROC curve: the chance that a positive outranks a negative.

    Ties count half (Mann & Whitney, 1947).  NaN where either is empty.
    """
    high, low = np.asarray(positive, float), np.asarray(negative, float)
    if not len(high) or not len(low):
        return float("nan")
    ranked = np.sort(low)
    below = np.searchsorted(ranked, high, "left")
    upto = np.searchsorted(ranked, high, "right")
    return float((below + upto).mean() / 2 / len(low))


def threshold_at_recall(positive: Scores, recall: float) -> float:
    """The highest threshold that at least ``recall`` (0 to 1) of ``positive`` reach."""
    ordered = np.sort(np.asarray(positive, float))[::-1]
    needed = int(np.ceil(recall * len(ordered) - 1e-9))
    return float(ordered[max(needed, 1) - 1])


def false_alarms(positive: Scores, negative: Scores, recall: float) -> float:
    """Share of ``negative`` that reach the threshold for ``recall`` of ``positive``."""
    if not len(positive) or not len(negative):
        return float("nan")
    return float((np.asarray(negative, float) >= threshold_at_recall(positive, recall)).mean())


def precision_recall(
    positive: Scores, negative: Scores
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and threshold, by falling threshold."""
    scores = np.concatenate([np.asarray(positive, float), np.asarray(negative, float)])
    truth = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    return (
        hits / np.arange(1, len(order) + 1),
        hits / max(len(positive), 1),
        scores[order],
    )


def bootstrap(
    overlaps: Sequence[tuple[float, float, float]], seed: int = 0, rounds: int = 1000
) -> tuple[float, float]:
    """95 % interval of the pooled IoU, resampling photos (Efron, 1979).

    ``overlaps``: (intersection, predicted, true) of each photo.
    """
    if not overlaps:
        return float("nan"), float("nan")
    values = np.array(overlaps)
    rng = np.random.default_rng(seed)
    drawn = values[rng.integers(len(values), size=(rounds, len(values)))].sum(1)
    iou = drawn[:, 0] / np.maximum(drawn[:, 1] + drawn[:, 2] - drawn[:, 0], 1e-9)
    low, high = np.quantile(iou, [0.025, 0.975])
    return float(low), float(high)
