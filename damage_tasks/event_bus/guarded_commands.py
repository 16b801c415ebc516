"""Replacements for Celery's remote-control commands that can end the worker or leave it useless.

They are registered for our own worker only: Celery's registry of commands is shared by the whole
process, in which another application may run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery.utils.time import rate
from celery.worker import control
from celery.worker.control import nok, ok
from kombu.log import get_logger

logger = get_logger(__name__)

MAX_PROCESSES = 128  # as DAMAGE_CONCURRENCY allows


def pool_grow(state: Any, n: int = 1, **_: Any) -> Any:
    """Add ``n`` processes to the pool, up to `MAX_PROCESSES`."""
    # Celery's command accepts a negative number, and then receives fewer messages or none.
    running = state.consumer.pool.num_processes
    if type(n) is not int or not 0 < n <= MAX_PROCESSES - running:
        return nok(f"{running} of at most {MAX_PROCESSES} processes are running; cannot add {n!r}")
    state.consumer.pool.grow(n)
    state.consumer._update_prefetch_count(n)
    return ok("pool will grow")


def pool_shrink(state: Any, n: int = 1, **_: Any) -> Any:
    """Remove ``n`` idle processes from the pool; at least one stays."""
    # Celery's command can end all of them, or fail halfway without receiving fewer messages.
    pool = state.consumer.pool
    spare = pool.num_processes - 1
    if type(n) is not int or not 0 < n <= spare:
        return nok(f"at most {spare} of {spare + 1} processes can be removed, not {n!r}")
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
    """Resume consuming from one of the worker's own queues; reject any other."""
    # Celery's command would remember an unknown queue and fail on it at each reconnection.
    if (refusal := _refusal(state, queue)) is not None:
        return refusal
    consumer = state.consumer
    consumer.call_soon(consumer.add_task_queue, queue)
    return ok(f"add consumer {queue}")


def _refusal(state: Any, queue: str) -> Any:
    own = list(state.app.amqp.queues)
    if queue in own:
        return None
    return nok(f"this worker consumes from {' and '.join(own)} only, not from {queue}")


def cancel_consumer(state: Any, queue: str, **_: Any) -> Any:
    """Stop polling one of the worker's own queues until `add_consumer`."""
    if (refusal := _refusal(state, queue)) is not None:
        return refusal
    logger.warning(
        "polling of %s stops: cancel_consumer by remote control. The heartbeat stops as well, so "
        "the liveness probe restarts the worker unless add_consumer %s is sent first",
        queue,
        queue,
    )
    consumer = state.consumer
    consumer.call_soon(consumer.cancel_task_queue, queue)
    return ok(f"no longer consuming from {queue}")


def rate_limit(state: Any, task_name: Any, rate_limit: Any, **_: Any) -> Any:
    """Limit how many photos the worker begins, such as "5/s" or "100/m"; 0 for no limit."""
    # Celery's command accepts a negative rate, which its timer then tries to wait for.
    try:
        per_second = rate(rate_limit) if rate_limit or rate_limit in (0, "0") else math.nan
    except (AttributeError, KeyError, TypeError, ValueError):
        per_second = math.nan
    if rate_limit is True or not 0 <= per_second < math.inf:
        return nok(
            f"rate_limit must be like 5/s, 100/m or 1000/h, or 0 for none, not {rate_limit!r}"
        )
    if not _is_task(state, task_name):
        return nok(f"unknown task {task_name!r}")
    return control.rate_limit(state, task_name, rate_limit)


def time_limit(
    state: Any, task_name: Any = None, hard: Any = None, soft: Any = None, **_: Any
) -> Any:
    """Shorten a task's time limits, in seconds; without a value, the setting applies."""
    # Celery's command accepts anything.  Heartbeat, visibility and provisional failures are
    # made for the limit in the settings.
    longest = state.app.conf.task_time_limit
    for name, seconds in (("hard", hard), ("soft", soft)):
        if seconds is not None and not _is_limit(seconds, longest):
            return nok(f"{name} must be more than 0 and at most {longest:g} s, not {seconds!r}")
    if soft is not None and soft >= (longest if hard is None else hard):
        return nok(f"soft must be less than hard, not {soft:g} s")
    if not _is_task(state, task_name):
        return nok(f"unknown task {task_name!r}")
    return control.time_limit(state, task_name, hard, soft)


def _is_task(state: Any, name: Any) -> bool:
    return isinstance(name, str) and name in state.app.tasks


def _is_limit(seconds: Any, longest: float) -> bool:
    return type(seconds) in (int, float) and 0 < seconds <= longest


COMMANDS: dict[str, Callable[..., Any]] = {
    command.__name__: command
    for command in (pool_grow, pool_shrink, add_consumer, cancel_consumer, rate_limit, time_limit)
}
