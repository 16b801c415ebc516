"""Prometheus metrics of the quality in production."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from damage_tasks.errors import DamageTaskError

if TYPE_CHECKING:
    from damage_tasks.production_quality.estimates import Accuracy
    from damage_tasks.production_quality.quality_report import QualityReport

LABELS = ("by", "value")


def quality_registry(report: Callable[[], QualityReport], floor: float | None) -> CollectorRegistry:
    """The metrics of ``report``, which is called at each scrape; ``floor`` is DAMAGE_RECALL_FLOOR.

    There are no values while the database is unavailable.
    """
    registry = CollectorRegistry()
    registry.register(_QualityMetrics(report, floor))
    return registry


class _QualityMetrics(Collector):
    def __init__(self, report: Callable[[], QualityReport], floor: float | None) -> None:
        self._report = report
        self._floor = floor

    def describe(self) -> Iterator[Any]:
        """Nothing, because the values need the database."""
        return iter(())

    def collect(self) -> Iterator[Any]:
        if self._floor is not None:
            yield GaugeMetricFamily(
                "damage_recall_floor", "DAMAGE_RECALL_FLOOR.", value=self._floor
            )
        with suppress(DamageTaskError):
            report = self._report()
            groups = list(_groups(report))
            yield from _estimates("precision", groups)
            yield from _estimates("recall", groups)
            yield GaugeMetricFamily(
                "damage_review_share",
                "Share of photos in the review band, at which a person should look.",
                value=report.people.unsure,
            )


def _groups(report: QualityReport) -> Iterator[tuple[tuple[str, str], Accuracy]]:
    yield ("all", ""), report.overall
    for kind, groups in report.by.items():
        for value, accuracy in groups.items():
            yield (kind, value), accuracy


def _estimates(
    name: str, groups: list[tuple[tuple[str, str], Accuracy]]
) -> Iterator[GaugeMetricFamily]:
    text = f"{name.capitalize()} in production, estimated from people's decisions"
    best = GaugeMetricFamily(f"damage_{name}", f"{text}.", labels=LABELS)
    low = GaugeMetricFamily(
        f"damage_{name}_lower_bound", f"{text}: lower end of the 95 % interval.", labels=LABELS
    )
    high = GaugeMetricFamily(
        f"damage_{name}_upper_bound", f"{text}: upper end of the 95 % interval.", labels=LABELS
    )
    for labels, accuracy in groups:
        estimate = accuracy.recall if name == "recall" else accuracy.precision
        if estimate is not None:
            best.add_metric(labels, estimate.value)
            low.add_metric(labels, estimate.low)
            high.add_metric(labels, estimate.high)
    yield from (best, low, high)
