"""What a worker process holds: the bundle, loaded once, and the pipeline around it."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import billiard
from celery.signals import task_prerun, worker_init, worker_process_init, worker_shutdown

from damage_tasks.errors import (
    BundleUnavailable,
    DamageTaskError,
    DatabaseUnavailable,
    ExtraMissing,
    QueueUnavailable,
)
from damage_tasks.telemetry import write_at_once
from damage_tasks.worker.malloc import keep_freed_memory
from damage_tasks.worker.own_signals import handles
from damage_tasks.worker.signals import bundle_loaded, start_failed

if TYPE_CHECKING:
    from damage_tasks.pipeline import Pipeline
    from model_store.bundle import Bundle

logger = logging.getLogger(__name__)
T = TypeVar("T")

GAVE_UP = 70  # exit status (EX_SOFTWARE, sysexits.h) of a worker that only failed

_bundle: Bundle | None = None  # fetched before the fork, so that children need not ask S3 again
_pipeline: Pipeline | None = None
_max_receives: int | None = None  # after which SQS makes a message a dead letter
# Photos, by task id, that no photo is to blame for, since one was examined.
_failed: set[str] = set()
_lost: set[str] = set()
_examined_before_loss = 0
# Shared between the parent and its children.
_gave_up: Any = None
_examined: Any = None


def get_pipeline() -> Pipeline:
    """This process's pipeline; loaded at the first call."""
    global _pipeline
    if _pipeline is None:
        start = time.perf_counter()
        _pipeline = _load()
        bundle_loaded(_pipeline.segmenter.identity, time.perf_counter() - start)
    return _pipeline


@handles(worker_init)
def _prepare(sender: Any = None, **_: Any) -> None:
    """In the parent: fetch and verify the bundle once for all processes of the pod.

    Nothing may run a network here: pools of threads do not survive the fork
    (pytorch/pytorch#17199).
    """
    from damage_tasks.event_bus.connection import check_bus
    from damage_tasks.results.waiting import make_waiting_interruptible
    from damage_tasks.settings import get_settings, refuse_unknown_variables
    from damage_tasks.sqs.envelope import register_plain_json
    from damage_tasks.sqs.queues import check_queue, sqs_client
    from damage_tasks.storage.aws_clients import new_client
    from damage_tasks.worker.heartbeat import clear_heartbeat
    from model_store.fetch import fetch_bundle

    global _bundle, _max_receives, _gave_up, _examined
    _gave_up = multiprocessing.Value("b", 0)
    _examined = multiprocessing.Value("L", 0)
    try:
        refuse_unknown_variables()
        register_plain_json()
        make_waiting_interruptible()
        settings = get_settings()
        clear_heartbeat(settings.heartbeat_file)
        settings.require("bucket")
        check_bus()
        # Read when numpy and torch are loaded; left alone, each would start a thread a core.
        # Numpy's would start at once, in the parent, and multiply nothing that is large.
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(settings.threads)
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        patience = settings.refusal_patience
        queue = _patiently(lambda: check_queue(sqs_client(), settings), patience)
        _max_receives = queue.max_receives
        _check_database()
        _bundle = _patiently(
            lambda: fetch_bundle(settings.bundle, settings.bundle_cache, new_client), patience
        )
        logger.info("bundle %s is verified", _bundle.label)
        if "prefork" in str(getattr(sender, "pool_cls", "")):
            _import_for_children(_bundle, settings.engine)
        else:
            keep_freed_memory()
            get_pipeline()
    except DamageTaskError as error:
        write_at_once(f"worker does not start: {error.code}: {error}", logging.CRITICAL)
        start_failed(error)
        raise SystemExit(1) from None


def _check_database() -> None:
    """Raise what keeps this worker from ever storing a verdict; an outage passes."""
    from damage_tasks.results.celery_backend import open_inspections

    inspections = open_inspections()
    try:
        inspections.check()
    except DatabaseUnavailable as error:
        logger.warning("database is unavailable: %s", error)
    finally:
        # Processes that are forked later must not share the connection.
        inspections.close()


def _import_for_children(bundle: Bundle, engine: str) -> None:
    """Import what the pipeline needs, once: children share its memory and start sooner."""
    # What cannot be imported the children report, or take another engine for it.
    with suppress(ImportError):
        import damage_tasks.results.store
        import damage_tasks.wiring  # noqa: F401
        from damage_tasks.storage.aws_clients import read_definitions
        from model_store.engines import import_engine

        read_definitions("s3")
        import_engine(bundle.manifest, engine)
    # Or the first collection in a child would write to, and so copy, every page of it.
    gc.freeze()


def _patiently(act: Callable[[], T], seconds: float) -> T:
    """What ``act`` gives, once AWS answers: it may be away, or not know this pod's role yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (QueueUnavailable, BundleUnavailable) as error:
            if time.monotonic() > end:
                raise
            logger.warning("worker waits to start: %s: %s", error.code, error)
            time.sleep(2)


@handles(worker_process_init)
def _load_in_child(**_: Any) -> None:
    try:
        keep_freed_memory()
        get_pipeline()
    except Exception as error:
        # Celery only logs what a handler raises, and would then serve without a
        # bundle; of a process that leaves it starts another, again and again.
        code = getattr(error, "code", "unexpected")
        write_at_once(f"worker process does not start: {code}: {error}", logging.CRITICAL)
        start_failed(error)
        _stop_worker()
        os._exit(1)


@handles(task_prerun)
def _die_when_told(**_: Any) -> None:
    """Let SIGTERM end this child at once, as an operator's `revoke --terminate` means it.

    billiard's own handler waits until Python runs again: a download in curl or a
    network's forward pass would be finished first.
    """
    if billiard.current_process().name != "MainProcess":
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def bundle_version() -> str:
    """The version of the bundle that this worker serves."""
    return _bundle.identity.version if _bundle else "none"


def is_last_receive(received: int) -> bool:
    """Whether SQS will make this message a dead letter unless it is deleted now."""
    return _max_receives is not None and received >= _max_receives


def will_be_received_again(received: int) -> bool:
    """Whether SQS will deliver this message once more if it is not deleted."""
    return _max_receives is not None and received < _max_receives


def photo_examined() -> None:
    """The networks have looked at a photo and its verdict is stored: this process works.

    A rejected photo proves nothing, nor does one that was known already.
    """
    _failed.clear()
    if _examined is not None:
        with _examined.get_lock():
            _examined.value += 1


def photo_failed(id: str) -> None:
    """A photo failed in this process, and not by its own fault.

    Too many different ones in a row stop the worker: one that only fails would turn
    the whole queue into dead letters, which is worse than none.
    """
    _failed.add(id)
    _stop_if_useless(_failed, "failed")


def photo_lost(id: str) -> None:
    """In the parent: a process was lost, or stuck beyond its time limit, with a photo in hand."""
    global _examined_before_loss
    if _examined is not None and _examined.value != _examined_before_loss:
        _examined_before_loss = _examined.value
        _lost.clear()
    _lost.add(id)
    _stop_if_useless(_lost, "ended their process")


def _stop_if_useless(photos: set[str], what: str) -> None:
    from damage_tasks.settings import get_settings

    if len(photos) >= get_settings().max_failures_in_a_row:
        logger.critical("worker stops: %d photos in a row %s", len(photos), what)
        _stop_worker()


def _stop_worker() -> None:
    """End the whole worker; its other processes finish what they have in hand."""
    if _gave_up is not None:
        _gave_up.value = 1
        in_child = billiard.current_process().name != "MainProcess"
        os.kill(os.getppid() if in_child else os.getpid(), signal.SIGTERM)


@handles(worker_shutdown)
def _exit_with_status(sender: Any = None, **_: Any) -> None:
    if _gave_up is not None and _gave_up.value:
        sender.exitcode = GAVE_UP


def _load() -> Pipeline:
    from damage_tasks.settings import get_settings

    try:
        from damage_tasks.wiring import build_pipeline
    except ModuleNotFoundError as error:
        # A caller has run the task itself, in its own process.
        raise ExtraMissing.of(error) from None
    return build_pipeline(get_settings(), bundle=_bundle)
