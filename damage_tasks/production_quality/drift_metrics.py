"""Prometheus metrics of the drift in production."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from damage_tasks.errors import DamageTaskError

if TYPE_CHECKING:
    from damage_tasks.production_quality.latest_drift import DriftHistory
    from damage_tasks.settings import Settings


class DriftMetrics(Collector):
    """The drift of the last 24 hours; ``drift`` is called at each scrape.

    There are no values while the database is unavailable, without a reference, or with too few
    photos.
    """

    def __init__(self, drift: Callable[[], DriftHistory], settings: Settings) -> None:
        self._drift = drift
        self._settings = settings

    def describe(self) -> Iterator[Any]:
        """Nothing, because the values need the database."""
        return iter(())

    def collect(self) -> Iterator[Any]:
        limits = (("psi", self._settings.drift_psi), ("ks", self._settings.drift_ks))
        for name, limit in limits:
            yield GaugeMetricFamily(
                f"damage_drift_{name}_limit", f"DAMAGE_DRIFT_{name.upper()}.", value=limit
            )
        with suppress(DamageTaskError):
            latest = self._drift().latest
            yield GaugeMetricFamily(
                "damage_drift_photos",
                "Photos of the last 24 hours that were compared with the reference.",
                value=latest.photos,
            )
            psi = GaugeMetricFamily(
                "damage_drift_psi",
                "Population stability index of the last 24 hours against the reference.",
                labels=("figure",),
            )
            ks = GaugeMetricFamily(
                "damage_drift_ks",
                "Kolmogorov-Smirnov distance of the last 24 hours from the reference.",
                labels=("figure",),
            )
            for figure in latest.figures:
                psi.add_metric((figure.name,), figure.psi)
                if figure.ks is not None:
                    ks.add_metric((figure.name,), figure.ks)
            yield from (psi, ks)
