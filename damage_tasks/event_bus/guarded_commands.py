"""Replacements for Celery's remote-control commands that can end the worker or leave it useless.

They are registered for our own worker only: Celery's registry of commands is shared by the whole
process, in which another application may run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery.worker.control import nok, ok
from kombu.log import get_logger

logger = get_logger(__name__)

MAX_PROCESSES = 128  # as DAMAGE_CONCURRENCY allows


def pool_grow(state: Any, n: int = 1, **_: Any) -> Any:
    """Add ``n`` processes to the pool, up to `MAX_PROCESSES`."""
    # Celery's command accepts a negative number, and then receives fewer messages or none.
    running = state.consumer.pool.num_processes
    if not 0 < n <= MAX_PROCESSES - running:
        return nok(f"{running} of at most {MAX_PROCESSES} processes are running; cannot add {n}")
    state.consumer.pool.grow(n)
    state.consumer._update_prefetch_count(n)
    return ok("pool will grow")


def pool_shrink(state: Any, n: int = 1, **_: Any) -> Any:
    """Remove ``n`` idle processes from the pool; at least one stays."""
    # Celery's command can end all of them, or fail halfway without receiving fewer messages.
    pool = state.consumer.pool
    spare = pool.num_processes - 1
    if not 0 < n <= spare:
        return nok(f"at most {spare} of {spare + 1} processes can be removed, not {n}")
    gone = 0
    with suppress(ValueError):  # the others are busy
        while gone < n:
            pool.shrink(1)
            gone += 1
    state.consumer._update_prefetch_count(-gone)
    if gone < n:
        return nok(f"removed {gone} of {n} processes; the others are busy, so try again")
    return ok("pool will shrink")


def add_consumer(state: Any, queue: str, **_: Any) -> Any:
    """Resume consuming from the worker's own queue; reject any other."""
    # Celery's command would remember an unknown queue and fail on it at each reconnection.
    own = state.app.conf.task_default_queue
    if queue != own:
        return nok(f"this worker consumes from {own} only, not from {queue}")
    consumer = state.consumer
    consumer.call_soon(consumer.add_task_queue, queue)
    return ok(f"add consumer {queue}")


def cancel_consumer(state: Any, queue: str, **_: Any) -> Any:
    """Stop polling the worker's own queue until `add_consumer`."""
    own = state.app.conf.task_default_queue
    if queue != own:
        return nok(f"this worker consumes from {own} only, not from {queue}")
    logger.warning(
        "polling of %s stops: cancel_consumer by remote control. The heartbeat stops as well, so "
        "the liveness probe restarts the worker unless add_consumer %s is sent first",
        queue,
        queue,
    )
    consumer = state.consumer
    consumer.call_soon(consumer.cancel_task_queue, queue)
    return ok(f"no longer consuming from {queue}")


COMMANDS: dict[str, Callable[..., Any]] = {
    command.__name__: command for command in (pool_grow, pool_shrink, add_consumer, cancel_consumer)
}
