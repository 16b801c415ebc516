"""Starts a worker: the parent checks and fetches everything, its processes load the networks."""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import billiard

from damage_tasks.errors import (
    BundleUnavailable,
    DamageTaskError,
    DatabaseUnavailable,
    QueueUnavailable,
)
from damage_tasks.event_bus.connection import check_bus
from damage_tasks.results.celery_backend import open_store
from damage_tasks.results.postgres_deadline import make_waiting_interruptible
from damage_tasks.settings import Settings, refuse_unknown_variables
from damage_tasks.sqs.celery_message import register_plain_json
from damage_tasks.sqs.compact_message import request_class
from damage_tasks.sqs.queues import check_queues, sqs_client
from damage_tasks.storage.aws_clients import new_client, read_definitions
from damage_tasks.telemetry import write_at_once
from damage_tasks.worker.breaker import EXIT_STATUS
from damage_tasks.worker.bundle_loader import BundleLoader
from damage_tasks.worker.heartbeat import clear_heartbeat
from damage_tasks.worker.malloc import keep_freed_memory
from damage_tasks.worker.memory_bound import MemoryBound
from damage_tasks.worker.memory_limit import limit_mebibytes
from damage_tasks.worker.rollout_watch import RolloutWatch
from damage_tasks.worker.state_files import StateFiles
from damage_tasks.worker.telemetry_startup import report_failed_start
from model_store.errors import BundleError
from model_store.fetch import fetch_bundle
from model_store.rollout import is_pointer

if TYPE_CHECKING:
    from damage_tasks.worker.runtime import WorkerRuntime
    from model_store.bundle import Bundle

logger = logging.getLogger(__name__)
T = TypeVar("T")


class WorkerStartup:
    """Receivers of Celery's signals, see `damage_tasks.worker.signals`."""

    def __init__(self, runtime: WorkerRuntime) -> None:
        self._runtime = runtime

    def prepare(self, sender: Any = None, **_: Any) -> None:
        """In the parent: check everything, and fetch the bundle once for all processes.

        No network may run here: thread pools do not survive the fork (pytorch/pytorch#17199).
        """
        try:
            prefork = "prefork" in str(getattr(sender, "pool_cls", ""))
            processes = getattr(sender, "concurrency", 1) if prefork else 1
            self._check_and_fetch(self._runtime.settings, processes)
            if prefork:
                self._prepare_for_forks()
            else:
                keep_freed_memory()
                self._runtime.get_pipeline()
        except DamageTaskError as error:
            write_at_once(f"worker does not start: {error.code}: {error}", logging.CRITICAL)
            report_failed_start(error, self._runtime.settings)
            raise SystemExit(1) from None

    def load_pipeline(self, **_: Any) -> None:
        """In a process: load the networks; a process that cannot stops the worker."""
        try:
            keep_freed_memory()
            self._runtime.get_pipeline()
        except Exception as error:
            # Celery only logs what a receiver raises and would then run without a bundle; it
            # would replace a process that exits, again and again.
            code = getattr(error, "code", "unexpected")
            write_at_once(f"worker process does not start: {code}: {error}", logging.CRITICAL)
            report_failed_start(error, self._runtime.settings)
            self._runtime.breaker.trip()
            os._exit(1)

    def leave_bundles(self, **_: Any) -> None:
        """In a process that ends: a bundle that it may be loading is not the reason."""
        if self._runtime.loader is not None:
            self._runtime.loader.stop()

    def let_sigterm_end_this_process(self, **_: Any) -> None:
        """Let SIGTERM end this process immediately, as intended by `revoke --terminate`.

        billiard's own handler waits until Python code runs again, after a download in curl or
        a network's forward pass.
        """
        if billiard.current_process().name != "MainProcess":
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def set_exit_status(self, sender: Any = None, **_: Any) -> None:
        """In the parent, at its end: show that the worker stopped because photos only failed."""
        if self._runtime.breaker.tripped:
            sender.exitcode = EXIT_STATUS

    def _check_and_fetch(self, settings: Settings, processes: int) -> None:
        refuse_unknown_variables()
        register_plain_json()
        request_class()
        clear_heartbeat(StateFiles(settings.heartbeat_file))
        settings.require("bucket")
        check_bus()
        limit_threads(settings.threads)
        self._runtime.breaker.arm(settings.max_failures_in_a_row)
        patience = settings.refusal_patience
        queues = _retry_for(patience, lambda: check_queues(sqs_client(), settings))
        self._runtime.max_receives = {
            name: queue.max_receives for name, queue in queues.items() if queue.max_receives
        }
        check_database(settings)
        if is_pointer(settings.bundle):
            self._prepare_rollout(settings, processes)
        else:
            self._runtime.bundle = _retry_for(
                patience, lambda: fetch_bundle(settings.bundle, settings.bundle_cache, new_client)
            )
        assert self._runtime.bundle is not None
        logger.info("bundle %s is verified", self._runtime.bundle.label)

    def _prepare_rollout(self, settings: Settings, processes: int) -> None:
        runtime, files = self._runtime, StateFiles(settings.heartbeat_file)
        watch = RolloutWatch(settings, files, runtime.change_plan)
        plan = _retry_for(settings.refusal_patience, watch.prepare)
        runtime.rollout_watch = watch
        memory = MemoryBound(settings, processes, limit_mebibytes())
        runtime.loader = BundleLoader(settings, files, plan, memory)

    def _prepare_for_forks(self) -> None:
        """Import libraries and read the weights once: forked processes share their memory."""
        bundle: Bundle | None = self._runtime.bundle
        assert bundle is not None
        # Ignore errors: processes report them or use another engine.
        with suppress(ImportError, BundleError):
            # NumPy and torch read their numbers of threads when they are imported.
            import damage_tasks.results.store
            import damage_tasks.wiring  # noqa: F401
            from model_store.engines import import_engine, share_models

            read_definitions("s3")
            if self._runtime.loader is None:
                share_models(bundle, self._runtime.settings.engine)
            else:  # This bundle may be new, and must not end the parent.
                import_engine(bundle.manifest, self._runtime.settings.engine)
        # The first collection in a process would otherwise write to every page, and so copy it.
        gc.freeze()


def limit_threads(threads: int) -> None:
    """Have NumPy and torch, once they are imported, compute with ``threads`` threads."""
    # By default, each would start a thread for each core; NumPy's OpenBLAS would do so in the
    # parent, and multiplies nothing large here.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"


def check_database(settings: Settings) -> None:
    """Raise errors that would always prevent this worker from storing a verdict; ignore outages."""
    make_waiting_interruptible()
    store = open_store(settings.require("database_url"), settings.event_targets)
    try:
        store.check_writable()
    except DatabaseUnavailable as error:
        logger.warning("database is unavailable: %s", error)
    finally:
        # Processes forked later must not share the connection.
        store.close()


def _retry_for(seconds: float, act: Callable[[], T]) -> T:
    """The result of ``act``; retries while AWS is unavailable or does not know the pod's role."""
    end = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (QueueUnavailable, BundleUnavailable) as error:
            if time.monotonic() > end:
                raise
            logger.warning("worker is waiting to start: %s: %s", error.code, error)
            time.sleep(2)
