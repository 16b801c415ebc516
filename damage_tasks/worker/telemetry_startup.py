"""Connects a worker's events to logs, traces, Sentry, metrics and Slack, without delaying photos.

The parent of the worker processes starts everything before it forks, and then serves the
metrics and posts the alerts.  The processes count and report.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import billiard
import celery.apps.worker

from damage_tasks.event_bus.guarded_commands import MAX_PROCESSES
from damage_tasks.sqs.message_attributes import (
    lane_of,
    message_id_of,
    queue_of,
    receives_of,
    sent_at,
)
from damage_tasks.sqs.task_names import DETECT_DAMAGE
from damage_tasks.sqs.trace_headers import trace_of
from damage_tasks.telemetry import (
    configure_logging,
    name_worker,
    photo_log_context,
    redact,
    sentry,
    traces,
    write_at_once,
)
from damage_tasks.telemetry.metrics import enter_slot, get_metrics, start_metrics
from damage_tasks.telemetry.slack import Alert, open_slack
from damage_tasks.worker.state_files import StateFiles

if TYPE_CHECKING:
    from damage_tasks.settings import Settings
    from damage_tasks.worker.runtime import WorkerRuntime

logger = logging.getLogger(__name__)


class WorkerReporting:
    """Receivers of Celery's signals, see `damage_tasks.worker.signals`."""

    def __init__(self, runtime: WorkerRuntime) -> None:
        self._runtime = runtime
        self._worker_name = "worker"
        self._contexts: dict[str, ExitStack] = {}  # of the photos in progress, by task id

    def configure_output(self, worker: Any) -> None:
        """Keep Celery from writing anything except log records."""
        settings = self._runtime.settings
        configure_logging(settings.log_level, settings.log_format)
        worker.quiet = True  # no banner
        # Signal handlers print lines such as "worker: Warm shutdown".
        celery.apps.worker.safe_say = lambda text, *_: write_at_once(text)

    def start(self, sender: Any = None, **_: Any) -> None:
        """In the parent, before anything else."""
        settings = self._runtime.settings
        self._worker_name = str(getattr(sender, "hostname", "worker"))
        name_worker(self._worker_name)
        logger.info(
            "worker starts",
            extra={"release": sentry.release(), "queue": settings.queue_url,
                   "processes": getattr(sender, "concurrency", None)},
        )  # fmt: skip
        sentry.start_sentry(settings.sentry_dsn, settings.environment, settings.sentry_traces_rate)
        traces.prepare_traces()
        if settings.metrics_port:
            start_metrics(MAX_PROCESSES)

    def watch(self, sender: Any = None, **_: Any) -> None:
        """In the parent, once it is ready: serve metrics, post alerts and follow a roll-out."""
        monitor = self._runtime.monitor
        monitor.start(str(getattr(sender, "hostname", "worker")))
        if self._runtime.rollout_watch is not None:
            self._runtime.rollout_watch.start(monitor.alert)

    def enter_process(self, **_: Any) -> None:
        """In a process, before it counts anything."""
        enter_slot(getattr(billiard.current_process(), "index", 0))
        traces.start_traces(
            {
                "service.name": "damage-tasks",
                "service.version": sentry.release().partition("@")[2],
                "service.instance.id": f"{self._worker_name}/{os.getpid()}",
                "deployment.environment.name": self._runtime.settings.environment,
            }
        )

    def leave_process(self, **_: Any) -> None:
        """In a process that ends."""
        traces.stop_traces()
        sentry.flush()

    def photo_begins(
        self,
        task_id: str = "",
        task: Any = None,
        args: Any = (),
        kwargs: Any = None,
        **_: Any,
    ) -> None:
        """Add the photo to every log record and report until it ends, and begin its span."""
        metadata = args[1] if len(args) > 1 else (kwargs or {}).get("metadata")
        contexts = self._contexts[task_id] = ExitStack()
        contexts.enter_context(photo_log_context(task_id, metadata))
        url = args[0] if args else (kwargs or {}).get("url")
        contexts.enter_context(self._traced_attempt(task, url))
        sentry.tag_photo(photo=task_id, bundle=self._runtime.bundle_version)
        if (metrics := get_metrics()) and not task.request.retries:
            sent = sent_at(task.request.properties or {})
            if sent is not None:
                lane = lane_of(task.request.properties or {})
                metrics.waited(time.time() - sent, lane)

    def photo_ends(self, task_id: str = "", retval: Any = None, **_: Any) -> None:
        """Stop adding the photo, and end its span."""
        if isinstance(retval, dict):
            reason = (retval.get("reason") or {}).get("code")
            verdict = retval.get("verdict")
            traces.describe_attempt({"damage.verdict": verdict, "damage.reason": reason})
        contexts = self._contexts.pop(task_id, None)
        if contexts is not None:
            contexts.close()

    def _traced_attempt(self, task: Any, url: Any) -> AbstractContextManager[None]:
        request = task.request
        properties = request.properties or {}
        receives, queue = receives_of(properties), queue_of(properties)
        is_photo = task.name == DETECT_DAMAGE and isinstance(url, str)
        return traces.traced_attempt(
            f"process {queue}",
            trace_of(request),
            # https://opentelemetry.io/docs/specs/semconv/messaging/sqs/
            {
                "messaging.system": "aws_sqs",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": queue,
                "messaging.message.id": message_id_of(properties),
                "url.full": redact(url) if is_photo else None,
                "damage.task": task.name,
                "damage.inspection": request.id,
                "damage.attempt": request.retries + receives,
                "damage.bundle": self._runtime.bundle_version,
            },
        )

    def photo_retried(self, reason: Any = None, **_: Any) -> None:
        """Count a photo that goes back to the queue."""
        traces.attempt_failed(getattr(reason, "exc", None) or reason)
        if metrics := get_metrics():
            metrics.retried(getattr(getattr(reason, "exc", None), "code", "unexpected"))

    def photo_failed(self, exception: Any = None, **_: Any) -> None:
        """Give the parent, which alerts, a link to the event that this process sent to Sentry."""
        if exception is not None:
            traces.attempt_failed(exception)
        if exception is not None and (event := sentry.last_event()):
            exception.sentry_event = event


def report_failed_start(error: Exception, settings: Settings) -> None:
    """Report to Slack and Sentry that this worker, or a process of it, ends before it works."""
    code = getattr(error, "code", "unexpected")
    event = sentry.report(error)
    slack = open_slack(settings, "a worker that does not start")
    if slack is not None:
        alert = Alert(f"worker does not start: {code}", str(error), sentry_event=event)
        slack.alert_at_exit(alert, StateFiles(settings.heartbeat_file).start_alert)
    sentry.flush()
