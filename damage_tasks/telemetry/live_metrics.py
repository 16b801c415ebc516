"""Prometheus metrics of queue, worker and event bus, read at scrape time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

GAUGES = {
    "queue_age_seconds": "Seconds the last received photo had waited; 0 with an empty queue.",
    "heartbeat_age_seconds": "Seconds since the worker's heartbeat.",
    "poll_age_seconds": "Seconds since SQS last answered a poll.",
    "processes": "Worker processes that are running.",
    "processes_wanted": "Worker processes that should be running.",
    "photos_in_hand": "Photos being examined.",
}
COUNTERS = {
    "polls": "Polls answered by SQS.",
    "events_sent": "Events sent to the event bus.",
    "events_dropped": "Events dropped because the event bus was unavailable.",
}


class LiveMetrics(Collector):
    """Exports the values that ``look`` returns as the gauges and counters named above.

    Its ``queue`` is a `damage_tasks.sqs.queue_depth.QueueCounts`, or None while SQS is
    unavailable.  Values that are None are omitted.
    """

    def __init__(self, look: Callable[[], Mapping[str, Any]]) -> None:
        self._look = look

    def describe(self) -> Iterator[Any]:
        """Nothing: the set of metrics depends on the moment."""
        return iter(())

    def collect(self) -> Iterator[Any]:
        """The current values."""
        found = self._look()
        for name, text in GAUGES.items():
            if found.get(name) is not None:
                yield GaugeMetricFamily(f"damage_{name}", text, value=found[name])
        for name, text in COUNTERS.items():
            if found.get(name) is not None:
                yield CounterMetricFamily(f"damage_{name}", text, value=found[name])
        counts = found.get("queue")
        up = GaugeMetricFamily("damage_queue_up", "Whether SQS reports the queue's counts.")
        up.add_metric([], 0.0 if counts is None else 1.0)
        yield up
        if counts is None:
            return
        messages = GaugeMetricFamily(
            "damage_queue_messages", "Messages in the queue.", labels=["queue", "state"]
        )
        for state in ("waiting", "in_flight", "delayed"):
            messages.add_metric([counts.queue, state], getattr(counts, state))
        yield messages
        if counts.dead_letter_queue:
            dead = GaugeMetricFamily(
                "damage_dead_letters", "Messages in the dead-letter queue.", labels=["queue"]
            )
            dead.add_metric([counts.dead_letter_queue], counts.dead_letters)
            yield dead
