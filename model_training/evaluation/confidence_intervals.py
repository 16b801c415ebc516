"""Figures of a bundle on labelled photos, each with a 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_training.data.labelled_photos import CLASS_IDS
from model_training.evaluation.detection_metrics import (
    Indices,
    bootstrap,
    roc_auc,
    threshold_at_recall,
    wilson,
)
from model_training.evaluation.photo_result import PhotoResult

Floats = NDArray[np.float64]
RECALLS = (0.95, 0.99)
GATE_RECALL = 0.99
MIN_DAMAGED_PHOTOS = 5  # the recall of fewer is meaningless


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval and the number of photos it is based on."""

    value: float
    low: float
    high: float
    photos: int

    def as_json(self) -> dict[str, Any]:
        """Plain values, rounded."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


class Results:
    """Results of whole photos as arrays, by photo; the input of every statistic."""

    def __init__(self, results: Sequence[PhotoResult]) -> None:
        whole = [result for result in results if result.view == "whole"]
        self.clusters = [result.cluster for result in whole]
        self.damaged = np.array([r.damaged for r in whole], bool)
        self.found = np.array([r.found for r in whole], bool)
        self.ended = np.array([bool(r.ended_by) for r in whole], bool)
        self.score = np.array([r.score for r in whole], float)
        self.gate = np.array([r.gate_score for r in whole], float)
        self.cpu_s = np.array([r.cpu_s for r in whole], float)
        self.any = np.array([r.any for r in whole], float).reshape(-1, 3)
        self.iou = np.array([r.iou for r in whole], float)
        # Only photos with typed damage tell how good a type's mask is.
        self.types: dict[str, Floats] = {}
        for name in CLASS_IDS:
            if any(r.types.get(name, (0, 0, 0))[2] > 0 for r in whole):
                rows = [r.types.get(name, (0.0, 0.0, 0.0)) for r in whole]
                self.types[name] = np.array(rows, float).reshape(-1, 3)

    def __len__(self) -> int:
        return len(self.clusters)


Statistic = Callable[[Results, Indices], float]


def statistics(results: Results) -> dict[str, Statistic]:
    """The statistics available for ``results``, by name; NaN if a sample has no value."""
    found: dict[str, Statistic] = {}
    damaged, clean = results.damaged.any(), (~results.damaged).any()
    if damaged:
        found["any_iou"] = lambda r, at: _iou(r.any[at][r.damaged[at]])
        found["any_dice"] = lambda r, at: _dice(r.any[at][r.damaged[at]])
        found["photo_iou"] = lambda r, at: _mean(r.iou[at][r.damaged[at]])
    for name in results.types:
        found[f"{name}_iou"] = _type_iou(name)
    if damaged and clean:
        found["auc"] = lambda r, at: roc_auc(*_split(r.score, r, at))
    if damaged:
        found["missed"] = lambda r, at: _mean(~r.found[at][r.damaged[at]])
    if clean:
        found["false_alarms"] = lambda r, at: _mean(r.found[at][~r.damaged[at]])
    if clean and results.damaged.sum() >= MIN_DAMAGED_PHOTOS:
        found |= _statistics_at_recalls()
    if clean:
        found["ended_by_gate"] = lambda r, at: _mean(r.ended[at][~r.damaged[at]])
        found["cpu_ms_clean"] = lambda r, at: 1000 * _mean(r.cpu_s[at][~r.damaged[at]])
    return found


# Shares of photos use Wilson's interval; all others are resampled.
OF_DAMAGED = ("missed",)
OF_CLEAN = (
    "false_alarms",
    *(f"false_alarms_at_{100 * recall:.0f}" for recall in RECALLS),
    f"ended_by_gate_at_{100 * GATE_RECALL:.0f}",
    "ended_by_gate",
)


def _statistics_at_recalls() -> dict[str, Statistic]:
    found = {f"false_alarms_at_{100 * recall:.0f}": _alarms_at(recall) for recall in RECALLS}
    found[f"ended_by_gate_at_{100 * GATE_RECALL:.0f}"] = lambda r, at: (
        1 - _passing(r.gate, r, at, GATE_RECALL)
    )
    return found


def _type_iou(name: str) -> Statistic:
    return lambda r, at: _iou(r.types[name][at])


def _alarms_at(recall: float) -> Statistic:
    return lambda r, at: _passing(r.score, r, at, recall)


def figures(results: Sequence[PhotoResult]) -> dict[str, Figure]:
    """The figures of ``results`` by name, in display order.

    Overlaps are pooled, with the same weight for every photo's area.  ``missed``: damaged photos
    whose verdict is clean; ``false_alarms``: clean photos whose verdict is damaged, at
    the manifest's threshold, and at the thresholds for 95 and 99 % recall of these
    photos; ``ended_by_gate``: clean photos that a gate ended, at the manifest's
    threshold and at the one for 99 % recall of the gate.
    """
    table = Results(results)
    everything = np.arange(len(table))
    found = {}
    for name, statistic in statistics(table).items():
        value = statistic(table, everything)
        count = _photos(table, name)
        if name in (*OF_DAMAGED, *OF_CLEAN):
            low, high = wilson(round(value * count), count)
        else:
            low, high = bootstrap(lambda at: statistic(table, at), table.clusters)  # noqa: B023
        found[name] = Figure(value, low, high, count)
    return found


def figures_as_json(found: Mapping[str, Figure]) -> dict[str, dict[str, Any]]:
    """Plain values for a report."""
    return {name: figure.as_json() for name, figure in found.items()}


def _photos(table: Results, name: str) -> int:
    if name in OF_CLEAN or name == "cpu_ms_clean":
        return int((~table.damaged).sum())
    type = name.removesuffix("_iou")
    if type in table.types:
        return int((table.types[type][:, 2] > 0).sum())
    return len(table) if name == "auc" else int(table.damaged.sum())


def _iou(overlaps: Floats) -> float:
    intersection, predicted, true = overlaps.sum(0)
    union = predicted + true - intersection
    return float(intersection / union) if union else float("nan")


def _dice(overlaps: Floats) -> float:
    intersection, predicted, true = overlaps.sum(0)
    total = predicted + true
    return float(2 * intersection / total) if total else float("nan")


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _split(values: Floats, results: Results, at: Indices) -> tuple[Floats, Floats]:
    """``values`` of the damaged photos and of the clean ones among ``at``."""
    damaged = results.damaged[at]
    return values[at][damaged], values[at][~damaged]


def _passing(values: Floats, results: Results, at: Indices, recall: float) -> float:
    """Share of clean photos that reach the threshold for ``recall`` of the damaged ones."""
    damaged, clean = _split(values, results, at)
    if not len(damaged) or not len(clean):
        return float("nan")
    return float((clean >= threshold_at_recall(damaged, recall)).mean())
