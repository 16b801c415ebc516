"""Drift, as Prometheus scrapes it."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest

from damage_tasks.errors import DatabaseUnavailable
from damage_tasks.production_quality.drift_metrics import DriftMetrics
from damage_tasks.production_quality.drift_report import DriftReport, FigureDrift
from damage_tasks.production_quality.latest_drift import DriftHistory
from damage_tasks.settings import Settings
from tests.production_quality.test_quality_metrics import lines

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FIGURES = [
    FigureDrift("brightness", 0.5, 0.25, [], is_drifted=True),
    FigureDrift("hour", 0.1, None, [], is_drifted=False),
]
LIMITS = {"damage_drift_psi_limit 0.2", "damage_drift_ks_limit 0.1"}


def test_labels_have_no_distance_of_cumulative_shares() -> None:
    report = DriftReport(NOW, NOW, "1.0.0", 600, 600, None, FIGURES)
    registry = CollectorRegistry()
    registry.register(DriftMetrics(lambda: DriftHistory(report, []), Settings()))
    assert lines(generate_latest(registry)) == LIMITS | {
        "damage_drift_photos 600.0",
        'damage_drift_psi{figure="brightness"} 0.5',
        'damage_drift_psi{figure="hour"} 0.1',
        'damage_drift_ks{figure="brightness"} 0.25',
    }


def test_without_a_database_there_are_only_the_limits() -> None:
    def unavailable() -> DriftHistory:
        raise DatabaseUnavailable("no connection")

    registry = CollectorRegistry()
    registry.register(DriftMetrics(unavailable, Settings()))
    assert lines(generate_latest(registry)) == LIMITS
