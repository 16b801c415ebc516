"""Metrics of scores and masks, and their confidence intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

Scores = Sequence[float] | NDArray[np.floating]
Indices = NDArray[np.intp]

BOOTSTRAP_ROUNDS = 400


@dataclass(slots=True)
class Overlap:
    """Pooled overlap of predicted and true masks; areas in any unit."""

    intersection: float = 0.0
    predicted: float = 0.0
    true: float = 0.0
    photos: int = 0

    def add(self, mask: NDArray[np.bool_], truth: NDArray[np.bool_], weight: float = 1.0) -> None:
        """Add one photo's masks (H x W bool); ``weight``: the area of a pixel."""
        self.intersection += weight * float(np.count_nonzero(mask & truth))
        self.predicted += weight * float(np.count_nonzero(mask))
        self.true += weight * float(np.count_nonzero(truth))
        self.photos += bool(truth.any())

    @property
    def iou(self) -> float:
        """Intersection over union, 0 to 1; 0 if both are empty."""
        union = self.predicted + self.true - self.intersection
        return self.intersection / union if union else 0.0

    @property
    def dice(self) -> float:
        """Dice coefficient (F1 of the pixels), 0 to 1; 0 if both are empty."""
        total = self.predicted + self.true
        return 2 * self.intersection / total if total else 0.0


def roc_auc(positive: Scores, negative: Scores) -> float:
    """Area under the ROC curve: the probability that a positive outranks a negative.

    Ties count half.  NaN if either is empty.
    """
    if not len(positive) or not len(negative):
        return float("nan")
    return float(roc_auc_score(*labelled_scores(positive, negative)))


def labelled_scores(
    positive: Scores, negative: Scores
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Truth and scores of both together, in scikit-learn's form."""
    truth = np.repeat([True, False], [len(positive), len(negative)])
    return truth, np.concatenate([np.asarray(positive, float), np.asarray(negative, float)])


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


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927); NaN if the count is zero."""
    if not count:
        return float("nan"), float("nan")
    interval = binomtest(hits, count).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> tuple[int, int, float]:
    """Cases of ``first`` only, of ``second`` only, and the p-value of their difference.

    Exact (binomial), for judgements of the same photos by two bundles (McNemar, 1947).
    """
    one, two = np.asarray(first, bool), np.asarray(second, bool)
    only_first, only_second = int((one & ~two).sum()), int((two & ~one).sum())
    changed = only_first + only_second
    p = float(binomtest(only_first, changed).pvalue) if changed else 1.0
    return only_first, only_second, p


def resamples(
    clusters: Sequence[str], rounds: int = BOOTSTRAP_ROUNDS, seed: int = 0
) -> Iterator[Indices]:
    """Indices of bootstrap samples that draw whole clusters (Efron, 1979)."""
    _, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(numbers))[:-1])
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        drawn = rng.integers(len(members), size=len(members))
        yield np.concatenate([members[number] for number in drawn])


def bootstrap(
    statistic: Callable[[Indices], float],
    clusters: Sequence[str],
    rounds: int = BOOTSTRAP_ROUNDS,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of ``statistic``, a function of the indices of the drawn photos.

    NaN if it is undefined; samples without a value (no clean photo drawn ...) are skipped.
    """
    if not len(clusters):
        return float("nan"), float("nan")
    values = np.array([statistic(drawn) for drawn in resamples(clusters, rounds, seed)])
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
