"""Turns the outcomes seen by the worker's parent process into alerts and live metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from celery.worker import state

from damage_tasks.errors import DamageTaskError, DatabaseError
from damage_tasks.event_bus.connection import SENDER, bus_url
from damage_tasks.lanes import BULK, URGENT
from damage_tasks.results.celery_backend import open_store
from damage_tasks.results.fleet_alerts import claim_alert
from damage_tasks.settings import get_settings
from damage_tasks.sqs.dead_letter_alerts import sends_dead_letter_alerts, start_dead_letter_alerts
from damage_tasks.sqs.queue_depth import QueueCounts, QueueDepth, queue_depths
from damage_tasks.telemetry.metrics import serve_metrics
from damage_tasks.telemetry.slack import Alert, Slack, open_slack
from damage_tasks.worker.database_watch import DatabaseWatch
from damage_tasks.worker.progress_writer import ProgressWriter
from damage_tasks.worker.state_files import StateFiles

if TYPE_CHECKING:
    from damage_tasks.results.store import Inspections

logger = logging.getLogger(__name__)


class WorkerMonitor:
    """One per worker; inactive before `start`."""

    def __init__(self) -> None:
        self._slack: Slack | None = None
        self._depths: dict[str, QueueDepth] = {}  # by queue
        self.heartbeat_figures: Callable[[], dict[str, Any]] | None = None
        self.progress = ProgressWriter(_open_store)
        self.database = DatabaseWatch(_open_store)
        self.last_waits: dict[str, float] = {}  # seconds for the last photo of each queue

    def start(self, hostname: str) -> None:
        """Serve metrics and post alerts, if the settings enable them."""
        settings = get_settings()
        self.progress.start()
        self.database.start()
        self._depths = queue_depths(settings)
        self._slack = open_slack(settings, hostname)
        if self._slack is not None:
            self._slack.start()
            if sends_dead_letter_alerts("worker"):
                memory = StateFiles(settings.heartbeat_file).dead_letters
                start_dead_letter_alerts(self._depths, self._slack, memory)
        if settings.metrics_port:
            serve_metrics(settings.metrics_port, self.figures)

    def failed(self, task_id: str, error: BaseException) -> None:
        """Record that a photo ended without a verdict."""
        if getattr(error, "code", None) == DatabaseError.code:
            self.database.check_soon()
        event = getattr(error, "sentry_event", None)
        self.alert(Alert(cause_of(error), str(error), task_id, event))

    def alert(self, alert: Alert) -> None:
        """Post ``alert``, if the settings enable alerts and no other worker has posted it for all.

        Waits for the database if the alert has a subject for the whole fleet.
        """
        if self._slack is None:
            return
        if alert.fleet_subject is None or _is_first(alert.fleet_subject):
            self._slack.alert(alert)

    def succeeded(self) -> None:
        """Record that a photo ended with a verdict."""
        if self._slack is not None:
            self._slack.succeeded()

    def figures(self) -> dict[str, Any]:
        """The live metrics; see `damage_tasks.telemetry.live_metrics`."""
        counts = {name: depth.counts() for name, depth in self._depths.items()}
        found: dict[str, Any] = {
            "queues": counts,
            "queue_ages": {
                (self._depths[name].queue, URGENT if name == URGENT else BULK): self._age(name, now)
                for name, now in counts.items()
            },
            "photos_in_hand": len(state.active_requests),
        }
        if bus_url():
            found["events_sent"], found["events_dropped"] = SENDER.sent, SENDER.dropped
        if self.heartbeat_figures is not None:
            found.update(self.heartbeat_figures())
        return found

    def _age(self, queue: str, counts: QueueCounts | None) -> float:
        waited = self.last_waits.get(queue, 0.0)
        return waited if counts is None or counts.waiting else 0.0


def _open_store() -> Inspections:
    """A separate connection for the parent, so that children do not inherit one in use."""
    settings = get_settings()
    return open_store(settings.require("database_url"), settings.event_targets)


def _is_first(subject: str) -> bool:
    try:
        with closing(_open_store()) as store, store.transaction() as connection:
            return claim_alert(connection, subject)
    except DamageTaskError as error:
        # Rather one alert from each worker than none.
        logger.warning("other workers may post the same alert: %s", error)
        return True


def cause_of(error: BaseException) -> str:
    """The key for grouping alerts: the error's code, and the cause that it names."""
    code = getattr(error, "code", None)
    if code is None:
        return type(error).__name__
    if code in ("unexpected", "retries_exhausted"):
        return f"{code}: {str(error).partition(':')[0]}"
    return str(code)
