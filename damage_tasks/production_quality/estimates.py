"""Precision and recall of all photos, estimated from those that people have decided about.

People do not decide about a random sample: they see unsure photos first, and those that somebody
complained about.  So photos are divided into strata (verdict, review band, score).  In strata where
people have decided about most photos, these decisions count; everywhere else only those about
photos that the random audit drew, which represent all others: each counts as many times as there
are photos for it.  Mid-p intervals of the strata, which are right for rare damage too, are combined
by simulation (Agresti and Gottard, "Nonconservative exact small-sample inference for discrete
data", Computational Statistics & Data Analysis 2007; Fay, Proschan and Brittain, "Combining
one-sample confidence procedures", Biometrics 2015).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DECIDED_SHARE = 0.5  # of a stratum, from which all of its decisions count
DRAWS = 4000
LEVEL = 0.95


class Stratum(NamedTuple):
    """Photos that people decide about for the same reason.

    ``found``: whether the networks found what is counted (damage, or damage of one type);
    ``group``: what else decides which work list the photos are in; ``step``: score.
    """

    found: bool
    group: tuple[bool, ...]
    step: int


class Label(NamedTuple):
    """What people decided about a photo: whether it shows what is counted."""

    stratum: Stratum
    is_audited: bool
    is_there: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share (0 to 1) and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Precision and recall of ``photos`` photos, from decisions about ``labelled`` of them.

    None if there is nothing to estimate them from.
    """

    precision: Estimate | None
    recall: Estimate | None
    photos: int
    labelled: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class _Sample(NamedTuple):
    """Photos of which the labelled ones are a fair sample."""

    found: bool
    photos: int
    labelled: int
    there: int


def estimate(photos: Mapping[Stratum, int], labels: Iterable[Label]) -> Accuracy:
    """Precision and recall over all ``photos``; the same input gives the same result."""
    samples = _samples(photos, list(labels))
    labelled = sum(sample.labelled for sample in samples)
    total = sum(photos.values())
    if not labelled:
        return Accuracy(None, None, total, 0)
    random = np.random.default_rng(0)
    found = sum(sample.photos for sample in samples if sample.found)
    hits = _numbers([sample for sample in samples if sample.found], random)
    misses = _numbers([sample for sample in samples if not sample.found], random)
    return Accuracy(
        precision=_share(hits, found - hits),
        recall=_share(hits, misses),
        photos=total,
        labelled=labelled,
    )


def _samples(photos: Mapping[Stratum, int], labels: Sequence[Label]) -> list[_Sample]:
    every: dict[Stratum, list[bool]] = {}
    audited: dict[Stratum, list[bool]] = {}
    for label in labels:
        every.setdefault(label.stratum, []).append(label.is_there)
        if label.is_audited:
            audited.setdefault(label.stratum, []).append(label.is_there)
    found: list[_Sample] = []
    rest: dict[tuple[bool, tuple[bool, ...]], _Sample] = {}
    for stratum, number in photos.items():
        known = every.get(stratum, [])
        if len(known) >= DECIDED_SHARE * number:
            found.append(_Sample(stratum.found, max(number, len(known)), len(known), sum(known)))
            continue
        # The audit is a fair sample of strata together, too.
        key = stratum.found, stratum.group
        drawn = audited.get(stratum, [])
        before = rest.get(key, _Sample(stratum.found, 0, 0, 0))
        rest[key] = _Sample(
            stratum.found,
            before.photos + number,
            before.labelled + len(drawn),
            before.there + sum(drawn),
        )
    return [*found, *rest.values()]


def _numbers(samples: Sequence[_Sample], random: np.random.Generator) -> NDArray[np.float64]:
    """How many photos show what is counted: the best guess, then `DRAWS` possible numbers."""
    found = np.zeros(DRAWS + 1)
    for _, photos, labelled, there in samples:
        found[0] += photos * there / labelled if labelled else photos / 2
        shares = _mid_p_shares(there, labelled - there, random)
        found[1:] += there + random.binomial(photos - labelled, shares)
    return found


def _mid_p_shares(there: int, absent: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Shares whose quantiles are the limits of the mid-p interval: those of two exact ones."""
    lower = random.beta(there, absent + 1, DRAWS) if there else np.zeros(DRAWS)
    upper = random.beta(there + 1, absent, DRAWS) if absent else np.ones(DRAWS)
    return np.where(random.random(DRAWS) < 0.5, lower, upper)


def _share(part: NDArray[np.float64], rest: NDArray[np.float64]) -> Estimate | None:
    """The share of ``part`` in ``part`` and ``rest``; None if there may be nothing at all."""
    total = part + rest
    shares = part[total > 0] / total[total > 0]
    if total[0] <= 0 or len(shares) < 2:
        return None
    low, high = np.quantile(shares[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = float(shares[0])
    return Estimate(value, float(min(low, value)), float(max(high, value)))
