"""The review band: the damage scores at which a person's check is worth its cost.

Chow, "On optimum recognition error and reject tradeoff", IEEE Trans. Inf. Theory 1970, with the
costs counted on validation photos, not derived from the score.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_store.errors import BundleError
from model_store.manifest import MANIFEST_FILE, ReviewCosts, read_manifest
from model_training.bundling.manifest_file import write_manifest
from model_training.data.labelled_photos import PhotosError
from model_training.evaluation.bundle_evaluation import results_of
from model_training.evaluation.photo_result import PhotoResult

Floats = NDArray[np.float64]
STEPS = 100  # limits are whole per cents
WORTH = 1e-9  # differences below this are rounding


@dataclass(frozen=True, slots=True)
class Expectation:
    """What 1000 photos cost, on average, if a share of them goes to people, who are right.

    ``share``: 0 to 1; ``missed`` and ``false_alarms``: photos with a wrong final verdict;
    ``hours``: of people; ``cost``: of errors and people together.
    """

    share: float
    missed: float
    false_alarms: float
    hours: float
    cost: float


class ValidationScores:
    """Scores and errors of a bundle on validation photos, weighted by the prevalence of damage.

    Clean cars count as whole photos and as close-ups, as in the calibration of the score.
    """

    def __init__(self, results: Sequence[PhotoResult], costs: ReviewCosts) -> None:
        """Raises `PhotosError` unless there are damaged and clean photos."""
        self.costs = costs
        self.score = np.array([r.score for r in results], np.float64)
        damaged = np.array([r.damaged for r in results], bool)
        found = np.array([r.found for r in results], bool)
        if damaged.all() or not damaged.any():
            raise PhotosError("choosing a band needs damaged and clean photos")
        share = np.where(damaged, costs.prevalence, 1 - costs.prevalence)
        self.weight = share / np.where(damaged, damaged.sum(), (~damaged).sum())
        self.missed = self.weight * (damaged & ~found)
        self.false_alarms = self.weight * (~damaged & found)

    @property
    def check_cost(self) -> float:
        """The cost of a person's check of one photo."""
        return self.costs.minute_of_inspector * self.costs.minutes_per_photo

    def gain(self) -> Floats:
        """By photo: what a person's check saves, minus what it costs, per photo sent."""
        saved = self.costs.missed * self.missed + self.costs.false_alarm * self.false_alarms
        return np.asarray(saved - self.check_cost * self.weight, np.float64)

    def expect(self, band: tuple[float, float] | None) -> Expectation:
        """The costs if people look at scores in ``band``; None if at no photo."""
        low, high = band or (np.inf, -np.inf)
        asked = (self.score >= low) & (self.score <= high)
        share = float(self.weight[asked].sum())
        missed = float(self.missed[~asked].sum())
        false_alarms = float(self.false_alarms[~asked].sum())
        cost = (
            self.costs.missed * missed
            + self.costs.false_alarm * false_alarms
            + self.check_cost * share
        )
        return Expectation(
            share=share,
            missed=1000 * missed,
            false_alarms=1000 * false_alarms,
            hours=1000 * share * self.costs.minutes_per_photo / 60,
            cost=1000 * cost,
        )


def choose_band(scores: ValidationScores) -> tuple[float, float] | None:
    """The band with the least total cost; None if no check is worth its cost.

    Of equally good limits the middle ones are chosen, which generalise better.
    """
    limits = np.arange(STEPS + 1) / STEPS
    gain = scores.gain()
    below = np.array([gain[scores.score < limit].sum() for limit in limits])
    up_to = np.array([gain[scores.score <= limit].sum() for limit in limits])
    total = np.where(limits[:, None] <= limits, up_to - below[:, None], -np.inf)
    best = float(total.max())
    if best <= WORTH:
        return None
    lows, highs = np.nonzero(total >= best - WORTH)
    low = float(limits[lows[len(lows) // 2]])
    highs = highs[limits[lows] == low]
    return low, float(limits[highs[len(highs) // 2]])


def read_evaluation(path: Path, bundle: Path) -> list[PhotoResult]:
    """The results of single photos in a file of `evaluate`.

    Raises `BundleError` if they are not those of the bundle in the folder ``bundle``.
    """
    manifest, _ = read_manifest(bundle)
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        measured, results = report["bundle"]["measured"], results_of(report)
    except (ValueError, KeyError, TypeError):
        raise PhotosError(f"{path}: is not a file that `evaluate --out` has written") from None
    if measured != manifest.decisive_digest:
        raise BundleError(f"{path}: is not about {bundle}; run `evaluate --bundle {bundle}` again")
    return results


def write_band(folder: Path, band: tuple[float, float], scores: ValidationScores) -> None:
    """Write ``band`` with its costs and expected figures to the manifest of a bundle."""
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    expected = scores.expect(band)
    manifest["review"] = {
        "low": band[0],
        "high": band[1],
        "costs": scores.costs.model_dump(),
        "expected": {
            "share": expected.share,
            "missed_per_1000": expected.missed,
            "false_alarms_per_1000": expected.false_alarms,
            "hours_per_1000": expected.hours,
            "cost_per_1000": expected.cost,
            "cost_per_1000_without_people": scores.expect(None).cost,
        },
    }
    write_manifest(folder, manifest)
