"""Drift: whether the photos in production still look like those that the networks know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from damage_tasks.production_quality.distributions import (
    UNKNOWN,
    Bin,
    bins_of_labels,
    bins_of_numbers,
    kolmogorov_smirnov,
    labels_of,
    numbers_of,
    shares_of,
    stability_index,
)
from damage_tasks.results.photo_sample import SampledPhoto, sample_photos

if TYPE_CHECKING:
    from damage_tasks.production_quality.drift_reference import ChosenReference, References
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings
    from model_store.manifest import Reference

EXAMPLES = 4


@dataclass(frozen=True, slots=True)
class FigureDrift:
    """How far the figure ``name`` is from the reference.

    ``psi``: population stability index; ``ks``: Kolmogorov-Smirnov distance (0 to 1), None for
    labels; ``examples``: ids of photos in the bin that has grown most.
    """

    name: str
    psi: float
    ks: float | None
    bins: Sequence[Bin]
    is_drifted: bool
    examples: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"psi": self.psi, "ks": self.ks, "drifted": self.is_drifted}


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The photos from ``since`` to ``until`` that ``bundle`` examined, against its reference.

    ``photos`` were compared of ``total``, which is an estimate unless ``total_is_exact``. There are
    no ``figures`` if these are too few, or if there is no reference yet.
    """

    since: datetime
    until: datetime
    bundle: str
    photos: int
    total: int
    reference: ChosenReference | None
    figures: Sequence[FigureDrift]
    total_is_exact: bool = True

    @property
    def drifted(self) -> list[str]:
        """The names of figures that have drifted."""
        return [figure.name for figure in self.figures if figure.is_drifted]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "bundle": self.bundle,
            "photos": self.photos,
            "total": self.total,
            "total_is_exact": self.total_is_exact,
            "reference": self.reference.to_dict() if self.reference else None,
            "figures": {figure.name: figure.to_dict() for figure in self.figures},
        }


def report_drift(
    store: Inspections,
    references: References,
    settings: Settings,
    since: datetime,
    until: datetime,
) -> DriftReport:
    """The drift of photos from ``since`` to ``until`` of the bundle that examined most of them.

    Raises `DatabaseUnavailable` or `DatabaseError`.
    """
    with store.transaction() as connection:
        sample = sample_photos(connection, since, until)
    used = Counter(photo.bundle for photo in sample.photos).most_common(1)
    bundle = used[0][0] if used else ""
    photos = [photo for photo in sample.photos if photo.bundle == bundle]
    reference = references.choose(bundle, since) if bundle else None
    figures: list[FigureDrift] = []
    if reference is not None and len(photos) >= settings.drift_photos:
        figures = compare_figures(reference.reference, photos, settings)
    return DriftReport(
        since, until, bundle, len(photos), sample.total, reference, figures, sample.is_exact
    )


def compare_figures(
    reference: Reference, photos: Sequence[SampledPhoto], settings: Settings
) -> list[FigureDrift]:
    """The drift of each figure of ``reference``; figures that few photos have are left out."""
    return list(_figures(reference, photos, settings))


def _figures(
    reference: Reference, photos: Sequence[SampledPhoto], settings: Settings
) -> Iterator[FigureDrift]:
    for name, known in reference.numbers.items():
        values = numbers_of(photos, name)
        if len(values) >= settings.drift_photos:
            bins = bins_of_numbers(known, values)
            ks = kolmogorov_smirnov(known, values)
            yield _figure(name, bins, ks, photos, settings)
    for name, shares in reference.labels.items():
        labels = labels_of(photos, name)
        if UNKNOWN not in shares:  # a reference of an earlier version
            labels = [label for label in labels if label != UNKNOWN]
        if len(labels) >= settings.drift_photos:
            bins = bins_of_labels(shares, shares_of(labels))
            yield _figure(name, bins, None, photos, settings)


def _figure(
    name: str,
    bins: Sequence[Bin],
    ks: float | None,
    photos: Sequence[SampledPhoto],
    settings: Settings,
) -> FigureDrift:
    psi = stability_index(bins)
    is_drifted = psi > settings.drift_psi or (ks or 0.0) > settings.drift_ks
    grown = max(bins, key=lambda each: each.actual - each.expected)
    examples = (photo.id for photo in photos if _is_in(grown, getattr(photo, name)))
    shown = [id for id, _ in zip(examples, range(EXAMPLES), strict=False)] if is_drifted else []
    return FigureDrift(name, psi, ks, bins, is_drifted, shown)


def _is_in(some: Bin, value: float | str | None) -> bool:
    if some.label:
        return (UNKNOWN if value is None else value) == some.label
    return isinstance(value, int | float) and some.low < value <= some.high
