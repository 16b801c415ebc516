"""Compares two bundles on the same photos, with the significance of each difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from model_training.evaluation.confidence_intervals import Results, statistics
from model_training.evaluation.detection_metrics import bootstrap, mcnemar
from model_training.evaluation.evaluation_report import FIGURE_LABELS, PERCENT_FIGURES
from model_training.evaluation.photo_result import PhotoResult


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both bundles, and the 95 % interval of ``value - against``."""

    value: float
    against: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Changed:
    """Verdicts that are wrong with only one bundle; ``p`` of McNemar's exact test."""

    wrong_here: int
    wrong_there: int
    p: float


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """``figures`` by name; ``missed`` damaged photos and ``false_alarms`` that changed.

    ``cpu_ratio``: the networks' processor time on clean photos, relative to the other bundle.
    """

    figures: Mapping[str, Difference]
    missed: Changed
    false_alarms: Changed
    cpu_ratio: float

    def as_json(self) -> dict[str, Any]:
        """Plain values for a report."""
        return asdict(self)


def compare_paired(
    results: Sequence[PhotoResult], against: Sequence[PhotoResult]
) -> PairedComparison:
    """Compare two bundles' results on the same photos.

    Intervals resample photos (those of one claim together), identically for both bundles,
    so that photos hard for both cancel out.  Raises `ValueError` when the photos differ.
    """
    here, there = _whole(results), _whole(against)
    if [r.id for r in here] != [r.id for r in there]:
        raise ValueError("the results are for different photos")
    one, other = Results(here), Results(there)
    everything = np.arange(len(one))
    of_other = statistics(other)
    found = {}
    for name, statistic in statistics(one).items():
        if name not in of_other:
            continue
        low, high = bootstrap(
            lambda at: statistic(one, at) - statistic(other, at),  # noqa: B023
            one.clusters,
        )
        found[name] = Difference(
            statistic(one, everything), statistic(other, everything), low, high
        )
    cpu = found.get("cpu_ms_clean")
    return PairedComparison(
        found,
        _changed(
            [not r.found for r in here if r.damaged], [not r.found for r in there if r.damaged]
        ),
        _changed(
            [r.found for r in here if not r.damaged], [r.found for r in there if not r.damaged]
        ),
        cpu.value / cpu.against if cpu and cpu.against else float("nan"),
    )


def paired_rows(found: PairedComparison) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of differences, for display."""
    rows = []
    for key, difference in found.figures.items():
        unit = 100.0 if key in PERCENT_FIGURES else 1.0
        digits = (
            1
            if key in PERCENT_FIGURES
            else 0
            if key == "cpu_ms_clean"
            else 4
            if key == "auc"
            else 3
        )
        values = (difference.value, difference.against)
        rows.append(
            [
                FIGURE_LABELS[key] + (" (%)" if key in PERCENT_FIGURES else ""),
                *(f"{unit * value:.{digits}f}" for value in values),
                f"{unit * difference.low:+.{digits}f} to {unit * difference.high:+.{digits}f}",
                "" if difference.sure else "may be chance",
            ]
        )
    for label, changed in (
        ("damaged photos missed by one bundle only", found.missed),
        ("clean photos classified as damaged by one bundle only", found.false_alarms),
    ):
        note = "" if changed.p < 0.05 else "may be chance"
        rows.append([label, str(changed.wrong_here), str(changed.wrong_there),
                     f"p = {changed.p:.3f}", note])  # fmt: skip
    rows.append(["processor time, clean photos", f"{found.cpu_ratio:.2f}", "1", "", ""])
    return ["figure", "this bundle", "the other", "difference (95 %)", ""], rows


def _whole(results: Sequence[PhotoResult]) -> list[PhotoResult]:
    return [result for result in results if result.view == "whole"]


def _changed(here: Sequence[bool], there: Sequence[bool]) -> Changed:
    return Changed(*mcnemar(here, there))
