"""The quality in production, as Prometheus scrapes it."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import generate_latest

from damage_tasks.errors import DatabaseUnavailable
from damage_tasks.production_quality.agreement import Agreement
from damage_tasks.production_quality.estimates import Accuracy, Estimate
from damage_tasks.production_quality.quality_metrics import quality_registry
from damage_tasks.production_quality.quality_report import PeoplesWork, QualityReport

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ACCURACY = Accuracy(None, Estimate(0.9, 0.8, 0.95), 1000, 100)
REPORT = QualityReport(
    NOW,
    NOW,
    ACCURACY,
    {"type": {"dent": ACCURACY}},
    PeoplesWork(0.1, 0.02, 5, None, 1, 2),
    3,
    Agreement(0, None, None),
)


def lines(text: bytes) -> set[str]:
    return {line for line in text.decode().splitlines() if not line.startswith("#")}


def test_estimates_have_their_bounds_and_unknown_ones_are_left_out() -> None:
    assert lines(generate_latest(quality_registry(lambda: REPORT, 0.85))) == {
        "damage_recall_floor 0.85",
        'damage_recall{by="all",value=""} 0.9',
        'damage_recall{by="type",value="dent"} 0.9',
        'damage_recall_lower_bound{by="all",value=""} 0.8',
        'damage_recall_lower_bound{by="type",value="dent"} 0.8',
        'damage_recall_upper_bound{by="all",value=""} 0.95',
        'damage_recall_upper_bound{by="type",value="dent"} 0.95',
        "damage_review_share 0.1",
    }


def test_without_a_database_there_are_no_values() -> None:
    def unavailable() -> QualityReport:
        raise DatabaseUnavailable("no connection")

    assert lines(generate_latest(quality_registry(unavailable, None))) == set()
