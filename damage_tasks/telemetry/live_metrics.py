"""Prometheus metrics of queue, worker and event bus, read at scrape time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from damage_tasks.sqs.queue_depth import QueueCounts

GAUGES = {
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

    Its ``queues`` are `damage_tasks.sqs.queue_depth.QueueCounts` by Celery's names for the queues,
    or None while SQS is unavailable; its ``queue_ages`` are seconds by queue and lane.  Values that
    are None are omitted.
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
        yield from _queue_metrics(found.get("queues", {}))
        if ages := found.get("queue_ages"):
            yield _ages(ages)


def _queue_metrics(queues: Mapping[str, QueueCounts | None]) -> Iterator[Any]:
    known = [counts for counts in queues.values() if counts is not None]
    up = GaugeMetricFamily("damage_queue_up", "Whether SQS reports the counts of all queues.")
    up.add_metric([], float(bool(known) and len(known) == len(queues)))
    yield up
    if not known:
        return
    messages = GaugeMetricFamily(
        "damage_queue_messages", "Messages in the queue.", labels=["queue", "state"]
    )
    dead = GaugeMetricFamily(
        "damage_dead_letters", "Messages in the dead-letter queue.", labels=["queue"]
    )
    for counts in known:
        for state in ("waiting", "in_flight", "delayed"):
            messages.add_metric([counts.queue, state], getattr(counts, state))
        if counts.dead_letter_queue:
            dead.add_metric([counts.dead_letter_queue], counts.dead_letters)
    yield messages
    if dead.samples:
        yield dead


def _ages(ages: Mapping[tuple[str, str], float]) -> Any:
    family = GaugeMetricFamily(
        "damage_queue_age_seconds",
        "Seconds the last photo received from the queue had waited; 0 with an empty queue.",
        labels=["queue", "lane"],
    )
    for labels, seconds in ages.items():
        family.add_metric(labels, seconds)
    return family
