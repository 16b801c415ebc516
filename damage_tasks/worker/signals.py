"""Ties Celery's signals to logs, Sentry, metrics and Slack; a photo never waits for them.

The parent of the worker processes starts everything before it forks, and then
serves the metrics and posts the alerts.  The children count and report.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import billiard
from celery.signals import (
    celeryd_init,
    task_failure,
    task_postrun,
    task_prerun,
    task_retry,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
)

from damage_tasks.sqs.message import sent_at
from damage_tasks.telemetry import (
    configure_logging,
    name_worker,
    photo_in_hand,
    sentry,
    write_at_once,
)
from damage_tasks.telemetry.metrics import enter_slot, get_metrics, start_metrics
from damage_tasks.worker.own_signals import handles

if TYPE_CHECKING:
    from model_store.identity import BundleIdentity

logger = logging.getLogger(__name__)

_bundle: BundleIdentity | None = None
_contexts: dict[str, Any] = {}


@handles(celeryd_init)
def _log_what_celery_prints(instance: Any = None, **_: Any) -> None:
    """Before Celery's first word: no banner, and no line beside the log."""
    import celery.apps.worker

    from damage_tasks.settings import get_settings

    settings = get_settings()
    configure_logging(settings.log_level, settings.log_format)
    instance.quiet = True
    # "worker: Warm shutdown" and the like, from signal handlers.
    celery.apps.worker.safe_say = lambda text, *_: write_at_once(text)


@handles(worker_init)
def _start(sender: Any = None, **_: Any) -> None:
    """In the parent, before anything else."""
    from damage_tasks.settings import get_settings

    settings = get_settings()
    name_worker(str(getattr(sender, "hostname", "worker")))
    logger.info(
        "worker starts",
        extra={"release": sentry.release(), "queue": settings.queue_url,
               "processes": getattr(sender, "concurrency", None)},
    )  # fmt: skip
    sentry.start_sentry(settings.sentry_dsn, settings.environment, settings.sentry_traces_rate)
    if settings.metrics_port:
        from damage_tasks.event_bus.commands import MAX_PROCESSES

        start_metrics(MAX_PROCESSES)


@handles(worker_process_init)
def _enter_child(**_: Any) -> None:
    enter_slot(getattr(billiard.current_process(), "index", 0))


@handles(worker_process_shutdown)
def _leave_child(**_: Any) -> None:
    sentry.flush()


@handles(worker_ready)
def _watch(sender: Any = None, **_: Any) -> None:
    # Callers import this module too, and need no settings.
    from damage_tasks.worker.monitor import MONITOR

    MONITOR.start(str(getattr(sender, "hostname", "worker")))


def bundle_loaded(bundle: BundleIdentity, seconds: float) -> None:
    """Say which bundle this process serves and how long it took to load."""
    global _bundle
    _bundle = bundle
    logger.info("bundle is loaded", extra={"bundle": bundle.version, "seconds": round(seconds, 2)})
    if metrics := get_metrics():
        metrics.loaded(bundle.name, bundle.version, bundle.digest, seconds)


def start_failed(error: Exception) -> None:
    """Tell Slack and Sentry that this worker, or a process of it, ends before it could work."""
    from damage_tasks.settings import get_settings
    from damage_tasks.telemetry.slack import Alert, open_slack

    code = getattr(error, "code", "unexpected")
    event = sentry.report(error)
    slack = open_slack(get_settings(), "a worker that does not start")
    if slack is not None:
        file = get_settings().heartbeat_file
        alert = Alert(f"worker does not start: {code}", str(error), sentry_event=event)
        slack.alert_at_exit(alert, file.with_name(file.name + ".start-alert"))
    sentry.flush()


@handles(task_prerun)
def _begin(
    task_id: str = "", task: Any = None, args: Any = (), kwargs: Any = None, **_: Any
) -> None:
    metadata = args[1] if len(args) > 1 else (kwargs or {}).get("metadata")
    context = photo_in_hand(task_id, metadata)
    context.__enter__()
    _contexts[task_id] = context
    sentry.tag_photo(photo=task_id, bundle=_bundle.version if _bundle else "none")
    if (metrics := get_metrics()) and not task.request.retries:
        sent = sent_at(task.request.properties or {})
        if sent is not None:
            metrics.waited(time.time() - sent)


@handles(task_postrun)
def _end(task_id: str = "", **_: Any) -> None:
    context = _contexts.pop(task_id, None)
    if context is not None:
        context.__exit__(None, None, None)


@handles(task_retry)
def _retried(reason: Any = None, **_: Any) -> None:
    if metrics := get_metrics():
        metrics.retried(getattr(getattr(reason, "exc", None), "code", "unexpected"))


@handles(task_failure)
def _failed(exception: Any = None, **_: Any) -> None:
    # The parent alerts, and links to what the child has sent.
    if exception is not None and (event := sentry.last_event()):
        exception.sentry_event = event
