"""The deliverer's metrics, as Prometheus scrapes them."""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime, timedelta

from damage_tasks.deliveries.delivery_metrics import DeliveryMetrics
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.errors import DatabaseUnavailable
from damage_tasks.results.delivery import Backlog, Outcome
from tests.deliveries.deliveries_for import delivery_to


def scraped(metrics: DeliveryMetrics) -> dict[str, float]:
    port = free_port()
    metrics.serve(port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_attempts_and_the_backlog_are_counted() -> None:
    since = datetime.now(UTC) - timedelta(seconds=100)
    metrics = DeliveryMetrics(lambda: Backlog(waiting=3, failed=2, due_since=since))
    hook = delivery_to("https://rental.example/hook")
    metrics.ended(Outcome(hook), 0.2)
    metrics.ended(Outcome(hook, "answered 500", datetime.now(UTC)), 0.2)
    topic = delivery_to("arn:aws:sns:us-east-1:000000000000:events")
    metrics.ended(Outcome(topic, "NotFound"), 0.2)
    found = scraped(metrics)
    assert found['damage_event_attempts_total{kind="webhook",result="delivered"}'] == 1
    assert found['damage_event_attempts_total{kind="webhook",result="retried"}'] == 1
    assert found['damage_event_attempts_total{kind="sns",result="failed"}'] == 1
    assert found['damage_event_attempt_seconds_count{kind="webhook"}'] == 2
    assert found["damage_event_deliveries_waiting"] == 3
    assert found["damage_event_deliveries_failed"] == 2
    assert 100 <= found["damage_event_lag_seconds"] < 110


def test_without_a_database_the_attempts_are_still_scraped() -> None:
    def unavailable() -> Backlog:
        raise DatabaseUnavailable("away")

    metrics = DeliveryMetrics(unavailable)
    metrics.ended(Outcome(delivery_to("https://rental.example/hook")), 0.2)
    found = scraped(metrics)
    assert found['damage_event_attempts_total{kind="webhook",result="delivered"}'] == 1
    assert "damage_event_deliveries_waiting" not in found
