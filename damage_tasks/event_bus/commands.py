"""Remote-control commands that replace Celery's, which can end the worker or leave it useless.

They are handed to our own worker only: Celery's registry of commands belongs to the whole
process, where another application may run.
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
    # Celery's own takes a negative number, and then receives fewer messages or none.
    running = state.consumer.pool.num_processes
    if not 0 < n <= MAX_PROCESSES - running:
        return nok(f"{running} of at most {MAX_PROCESSES} processes run; cannot add {n}")
    state.consumer.pool.grow(n)
    state.consumer._update_prefetch_count(n)
    return ok("pool will grow")


def pool_shrink(state: Any, n: int = 1, **_: Any) -> Any:
    """Shrink the pool by n processes; one stays, and those with a photo in hand."""
    # Celery's own ends them all, and fails having ended some without taking fewer messages.
    pool = state.consumer.pool
    spare = pool.num_processes - 1
    if not 0 < n <= spare:
        return nok(f"of {spare + 1} processes at most {spare} may go, not {n}")
    gone = 0
    with suppress(ValueError):  # the others are busy
        while gone < n:
            pool.shrink(1)
            gone += 1
    state.consumer._update_prefetch_count(-gone)
    if gone < n:
        return nok(f"{gone} of {n} processes go, the others are busy: try again")
    return ok("pool will shrink")


def add_consumer(state: Any, queue: str, **_: Any) -> Any:
    """Consume again from the worker's own queue; refuse every other one."""
    # Celery's own would remember an unknown queue and fail on it at each reconnection.
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
        "polling of %s stops: cancel_consumer by remote control. The heartbeat stops with it, and "
        "the liveness probe will restart the worker unless add_consumer %s comes first",
        queue,
        queue,
    )
    consumer = state.consumer
    consumer.call_soon(consumer.cancel_task_queue, queue)
    return ok(f"no longer consuming from {queue}")


COMMANDS: dict[str, Callable[..., Any]] = {
    command.__name__: command for command in (pool_grow, pool_shrink, add_consumer, cancel_consumer)
}
