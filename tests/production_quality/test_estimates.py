"""The intervals contain the truth although people do not decide about a random sample."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from damage_tasks.production_quality.estimates import Accuracy, Label, Stratum, estimate

STEPS = 20
BAND = (0.2, 0.8)


@dataclass(frozen=True)
class Fleet:
    """Photos of a fleet, one in twenty damaged, and which of them people have decided about."""

    score: NDArray[np.float64]
    damaged: NDArray[np.bool_]
    audited: NDArray[np.bool_]
    decided: NDArray[np.bool_]

    @classmethod
    def drawn(cls, seed: int, photos: int = 10_000) -> Fleet:
        """The audit draws 5 %; unsure photos are decided from 0.5 outwards, damaged ones in part.

        Of the damaged photos that the networks missed, one in ten is decided because somebody
        complained: a random sample would contain far fewer.
        """
        random = np.random.default_rng(seed)
        damaged = random.random(photos) < 0.05
        score = np.where(damaged, random.beta(3, 1, photos), random.beta(1, 8, photos))
        audited = random.random(photos) < 0.05
        doubt = np.abs(score - 0.5)
        complaint = damaged & (score < 0.5) & (random.random(photos) < 0.1)
        listed = (score > 0.8) & (random.random(photos) < 0.3)
        return cls(score, damaged, audited, audited | (doubt < 0.22) | complaint | listed)

    @property
    def found(self) -> NDArray[np.bool_]:
        """The networks' verdicts."""
        return self.score >= 0.5

    @property
    def recall(self) -> float:
        """The truth."""
        return float((self.damaged & self.found).sum() / self.damaged.sum())

    @property
    def precision(self) -> float:
        """The truth."""
        return float((self.damaged & self.found).sum() / self.found.sum())

    def estimated(self) -> Accuracy:
        """What the decisions say."""
        unsure = (self.score >= BAND[0]) & (self.score <= BAND[1])
        steps = np.minimum((self.score * STEPS).astype(int), STEPS - 1)
        strata = [
            Stratum(bool(found), (bool(found), bool(is_unsure)), int(step))
            for found, is_unsure, step in zip(self.found, unsure, steps, strict=True)
        ]
        labels = [
            Label(strata[at], bool(self.audited[at]), bool(self.damaged[at]))
            for at in np.flatnonzero(self.decided)
        ]
        return estimate(Counter(strata), labels)


def contains(found: Accuracy, fleet: Fleet) -> tuple[bool, bool]:
    """Whether the intervals of precision and recall contain the truth."""
    assert found.precision
    assert found.recall
    return (
        found.precision.low <= fleet.precision <= found.precision.high,
        found.recall.low <= fleet.recall <= found.recall.high,
    )


def test_a_biased_choice_of_photos_does_not_bias_the_estimate() -> None:
    fleet = Fleet.drawn(seed=1)
    found = fleet.estimated()
    assert contains(found, fleet) == (True, True)
    assert found.recall
    assert found.recall.high - found.recall.low < 0.3
    assert found.photos == 10_000
    counted = fleet.decided & fleet.found
    naive = (fleet.damaged & counted).sum() / (fleet.damaged & fleet.decided).sum()
    assert abs(naive - fleet.recall) > abs(found.recall.value - fleet.recall)


@pytest.mark.slow
def test_19_of_20_intervals_contain_the_truth() -> None:
    fleets = [Fleet.drawn(seed) for seed in range(200)]
    hits = np.array([contains(fleet.estimated(), fleet) for fleet in fleets])
    # If 95 % of all intervals contain the truth, fewer than 181 of 200 do in one test of 1000.
    assert hits.sum(0).min() >= 181


CLEAN, DAMAGED = Stratum(False, (False,), 1), Stratum(True, (True,), 18)


def labels(stratum: Stratum, *there: bool, is_audited: bool = True) -> list[Label]:
    return [Label(stratum, is_audited, each) for each in there]


def test_if_people_see_everything_nothing_is_uncertain() -> None:
    decided = [*labels(CLEAN, True, *[False] * 9), *labels(DAMAGED, *[True] * 4, False)]
    found = estimate({CLEAN: 10, DAMAGED: 5}, decided)
    assert found.recall
    assert found.precision
    assert (found.recall.low, found.recall.value, found.recall.high) == (0.8, 0.8, 0.8)
    assert (found.precision.low, found.precision.high) == (0.8, 0.8)
    assert found.labelled == 15


def test_a_photo_of_the_audit_represents_others() -> None:
    decided = [*labels(CLEAN, True, *[False] * 99), *labels(DAMAGED, *[True] * 10)]
    found = estimate({CLEAN: 10_000, DAMAGED: 100}, decided)
    assert found.recall
    assert found.recall.value == pytest.approx(100 / (100 + 100))


def test_other_decisions_do_not_represent_photos_nobody_looked_at() -> None:
    complaints = labels(CLEAN, *[True] * 50, is_audited=False)
    audit = [*labels(CLEAN, *[False] * 200), *labels(DAMAGED, *[True] * 50)]
    found = estimate({CLEAN: 10_000, DAMAGED: 100}, [*complaints, *audit])
    assert found == estimate({CLEAN: 10_000, DAMAGED: 100}, audit)


def test_without_an_audit_the_recall_is_unknown() -> None:
    found = estimate({CLEAN: 10_000, DAMAGED: 100}, labels(DAMAGED, *[True] * 60))
    assert found.recall
    assert found.recall.low < 0.1
    assert found.precision
    assert found.precision.low > 0.9


def test_without_decisions_there_is_no_figure() -> None:
    assert estimate({CLEAN: 10}, []) == Accuracy(None, None, 10, 0)
    nothing_found = estimate({CLEAN: 10}, labels(CLEAN, *[False] * 10))
    assert (nothing_found.precision, nothing_found.recall) == (None, None)
