"""Distributions of photos' figures, and how far two of them are apart.

Both measures say how large a difference is, not whether it can be chance: with thousands of photos
every difference is significant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damage_tasks.results.photo_sample import SampledPhoto
from model_store.manifest import Distribution, Reference

# Figures of a photo: numbers, and labels of which each photo has one.
NUMBERS = ("brightness", "blur", "megapixels", "score")
LABELS = ("verdict", "camera", "hour")
OPTIONAL_LABELS = ("camera",)  # photos without one count as `UNKNOWN`
# For people, in English.
FIGURE_NAMES = {
    "brightness": "brightness",
    "blur": "sharpness",
    "megapixels": "size in megapixels",
    "score": "damage score",
    "verdict": "verdict",
    "camera": "camera make",
    "hour": "hour of the day (UTC)",
}
BINS = 10
MAX_LABELS = 24  # the others are counted together
OTHER = "other"
UNKNOWN = "unknown"
# A figure that fewer photos have gets no reference.
FEWEST_PHOTOS = 50
# A share of zero would make the index infinite.
LEAST_SHARE = 0.001

Numbers = NDArray[np.float64]


class Bin(NamedTuple):
    """Photos with similar values: a label, or numbers above ``low`` and up to ``high``.

    ``expected`` and ``actual`` are the shares (0 to 1) of the reference and of production.
    """

    label: str
    low: float
    high: float
    expected: float
    actual: float

    @property
    def psi(self) -> float:
        """This bin's part of the population stability index."""
        expected, actual = max(self.expected, LEAST_SHARE), max(self.actual, LEAST_SHARE)
        return float((actual - expected) * np.log(actual / expected))


def numbers_of(photos: Iterable[SampledPhoto], name: str) -> Numbers:
    """The known values of the figure ``name``."""
    found = (getattr(photo, name) for photo in photos)
    return np.array([value for value in found if value is not None], dtype=np.float64)


def labels_of(photos: Iterable[SampledPhoto], name: str) -> list[str]:
    """The labels of the figure ``name``: one for each photo, `UNKNOWN` if it has none."""
    found = (getattr(photo, name) for photo in photos)
    return [UNKNOWN if label is None else label for label in found]


def shares_of(labels: Sequence[str]) -> dict[str, float]:
    """The share of each of the `MAX_LABELS` most common labels, of `UNKNOWN`, and of all others."""
    counts = Counter(labels)
    unknown = {UNKNOWN: counts.pop(UNKNOWN)} if UNKNOWN in counts else {}
    shown = {**dict(counts.most_common(MAX_LABELS)), **unknown}
    shares = {label: number / len(labels) for label, number in shown.items()}
    others = len(labels) - sum(shown.values())
    return {**shares, OTHER: others / len(labels)} if others else shares


def distribution_of(values: Numbers) -> Distribution:
    """The distribution of ``values`` (at least one), with at most 100 edges."""
    edges = np.unique(np.quantile(values, np.linspace(0.01, 1, 100), method="inverted_cdf"))
    return Distribution(edges=tuple(edges.tolist()), shares=tuple(_up_to(edges, values).tolist()))


def bins_of_numbers(reference: Distribution, values: Numbers) -> list[Bin]:
    """At most `BINS` bins of about the same share of the reference; both ends are open."""
    cuts: list[tuple[float, float]] = []  # upper edge, and the share up to it
    for edge, share in zip(reference.edges[:-1], reference.shares[:-1], strict=True):
        if share - (cuts[-1][1] if cuts else 0.0) >= 0.95 / BINS:
            cuts.append((edge, share))
    inner = np.array([edge for edge, _ in cuts])
    actual = np.diff([0.0, *_up_to(inner, values), 1.0])
    expected = np.diff([0.0, *(share for _, share in cuts), 1.0])
    bounds = [-np.inf, *inner, np.inf]
    return [
        Bin("", float(low), float(high), float(e), float(a))
        for low, high, e, a in zip(bounds, bounds[1:], expected, actual, strict=False)
    ]


def bins_of_labels(reference: Mapping[str, float], actual: Mapping[str, float]) -> list[Bin]:
    """A bin for each label of either."""
    return [
        Bin(label, np.nan, np.nan, reference.get(label, 0.0), actual.get(label, 0.0))
        for label in sorted({*reference, *actual})
    ]


def stability_index(bins: Iterable[Bin]) -> float:
    """The population stability index: 0 for the same distribution, 0.2 for a large change."""
    return sum(each.psi for each in bins)


def kolmogorov_smirnov(reference: Distribution, values: Numbers) -> float:
    """The largest difference of the two cumulative shares (0 to 1), at the reference's edges."""
    actual = _up_to(np.array(reference.edges), values)
    return float(np.abs(actual - np.array(reference.shares)).max())


def reference_of(photos: Sequence[SampledPhoto], since: str = "", until: str = "") -> Reference:
    """The reference that ``photos`` of production give, without figures that most of them lack.

    Optional labels always have the share of `UNKNOWN`, so that labels which disappear are drift.
    """
    numbers = {name: numbers_of(photos, name) for name in NUMBERS}
    labels = {name: labels_of(photos, name) for name in LABELS}
    return Reference(
        source="production",
        photos=len(photos),
        since=since,
        until=until,
        numbers={
            name: distribution_of(values)
            for name, values in numbers.items()
            if len(values) >= FEWEST_PHOTOS
        },
        labels={
            name: {**({UNKNOWN: 0.0} if name in OPTIONAL_LABELS else {}), **shares_of(values)}
            for name, values in labels.items()
            if len(values) - values.count(UNKNOWN) >= FEWEST_PHOTOS
        },
    )


def _up_to(edges: Numbers, values: Numbers) -> Numbers:
    """The share of ``values`` that is at most each of ``edges``."""
    return np.searchsorted(np.sort(values), edges, side="right") / len(values)
