"""Prometheus metrics of the deliverer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from damage_tasks.errors import DamageTaskError
from damage_tasks.telemetry.metrics import serve_registry

if TYPE_CHECKING:
    from damage_tasks.results.delivery import Backlog, Outcome

SECONDS_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)


class DeliveryMetrics:
    """Counts attempts to deliver events; ``backlog`` is called at each scrape."""

    def __init__(self, backlog: Callable[[], Backlog]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_BacklogMetrics(backlog))
        self._attempts = Counter(
            "damage_event_attempts",
            "Attempts to deliver events, by kind of target and result.",
            ["kind", "result"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "damage_event_attempt_seconds",
            "Seconds of one attempt to deliver an event.",
            ["kind"],
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )

    def ended(self, outcome: Outcome, seconds: float) -> None:
        """Count an attempt that took ``seconds``."""
        kind = _kind(outcome.delivery.target)
        self._attempts.labels(kind, _result(outcome)).inc()
        self._seconds.labels(kind).observe(seconds)

    def serve(self, port: int) -> None:
        """Serve the metrics on ``port``, from a thread."""
        serve_registry(self.registry, port)


class _BacklogMetrics(Collector):
    def __init__(self, backlog: Callable[[], Backlog]) -> None:
        self._backlog = backlog

    def describe(self) -> Iterator[Any]:
        """Nothing: there are no values while the database is unavailable."""
        return iter(())

    def collect(self) -> Iterator[Any]:
        with suppress(DamageTaskError):
            backlog = self._backlog()
            lag = 0.0
            if backlog.due_since is not None:
                lag = max(0.0, (datetime.now(UTC) - backlog.due_since).total_seconds())
            yield GaugeMetricFamily(
                "damage_event_deliveries_waiting",
                "Deliveries of events that are due or will be retried, at most 100,000.",
                value=backlog.waiting,
            )
            yield GaugeMetricFamily(
                "damage_event_deliveries_failed",
                "Deliveries that failed and were not replayed or dropped, at most 100,000.",
                value=backlog.failed,
            )
            yield GaugeMetricFamily(
                "damage_event_lag_seconds",
                "Seconds for which the oldest delivery has been due; 0 if none is.",
                value=lag,
            )


def _kind(target: str) -> str:
    return target.split(":", 3)[2] if target.startswith("arn:") else "webhook"


def _result(outcome: Outcome) -> str:
    if outcome.error is None:
        return "delivered"
    return "failed" if outcome.next_attempt_at is None else "retried"
