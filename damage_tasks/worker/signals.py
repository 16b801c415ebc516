"""Connects Celery's signals; this is the only place that does.

A signal reaches every receiver in the process, whichever application's worker sends it, and
a caller's worker imports this package too.  So only one receiver is connected from the start;
the others are connected once a worker of our application starts, and ignore other applications.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import signals


def connect_signals(app: Any) -> None:
    """Prepare for a worker of ``app``; nothing happens until one starts in this process."""

    def start(instance: Any = None, options: Any = None, **_: Any) -> None:
        if instance.app is app:
            _connect_worker_signals(app, instance)
            if not (options or {}).get("concurrency"):
                _choose_process_count(app)

    signals.celeryd_init.connect(start, weak=False)


def _connect_worker_signals(app: Any, worker: Any) -> None:
    # Slack, Redis, SQS and PostgreSQL clients take 0.7 s to import; only workers need them.
    from damage_tasks.worker.inherited_descriptors import InheritedDescriptors
    from damage_tasks.worker.runtime import runtime_of
    from damage_tasks.worker.telemetry_startup import WorkerReporting
    from damage_tasks.worker.worker_startup import WorkerStartup

    runtime = runtime_of(app)
    reporting, startup = WorkerReporting(runtime), WorkerStartup(runtime)
    inherited = InheritedDescriptors()
    # Before Celery writes anything.
    reporting.configure_output(worker)
    # In the order in which Celery sends them; receivers of one signal run in this order.
    for signal, receiver in (
        # --- in the parent
        (signals.worker_init, reporting.start),
        (signals.worker_init, startup.prepare),
        # --- in each process that it forks; first, because the others open connections
        (signals.worker_process_init, inherited.leave_to_parent),
        (signals.worker_process_init, reporting.enter_process),
        (signals.worker_process_init, startup.load_pipeline),
        (signals.task_prerun, startup.let_sigterm_end_this_process),
        (signals.task_prerun, reporting.photo_begins),
        (signals.task_retry, reporting.photo_retried),
        (signals.task_failure, reporting.photo_failed),
        (signals.task_postrun, reporting.photo_ends),
        (signals.worker_process_shutdown, startup.leave_bundles),
        (signals.worker_process_shutdown, reporting.leave_process),
        # --- in the parent
        (signals.worker_ready, reporting.watch),
        (signals.worker_shutdown, startup.leave_bundles),
        (signals.worker_shutdown, startup.set_exit_status),
    ):
        signal.connect(_for_application(app, receiver), weak=False)


def _choose_process_count(app: Any) -> None:
    from damage_tasks.worker.process_count import process_count
    from damage_tasks.worker.runtime import runtime_of

    # Celery starts as many processes as this says after this signal.
    app.conf.update(worker_concurrency=process_count(runtime_of(app).settings))


def _for_application(app: Any, receiver: Callable[..., None]) -> Callable[..., None]:
    """``receiver``, called only if the sender belongs to ``app`` or is not a Celery object.

    The senders are workers, consumers and tasks; `worker_process_init` names a host only, but
    is sent in processes that our worker forked.
    """

    def receive(sender: Any = None, **arguments: Any) -> None:
        if getattr(sender, "app", app) is app:
            receiver(sender=sender, **arguments)

    return receive
