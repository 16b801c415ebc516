"""Delays polling until the processes that examine photos are ready.

Celery polls as soon as its consumer has started, long before its processes have loaded
their bundle: a message would wait in flight for a process that may never be ready.
"""

from __future__ import annotations

from typing import Any

from celery import bootsteps
from kombu.log import get_logger

from damage_tasks.event_bus.control_step import ControlStep

logger = get_logger(__name__)

READY_MESSAGE = "worker is ready"


class WarmUp(bootsteps.StartStopStep):
    """Delays polling until all processes are ready, and later until one is."""

    requires = (ControlStep,)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._warm = False

    def start(self, consumer: Any) -> None:
        pool = consumer.pool

        def is_warm(_queue: str) -> bool:
            if vars(pool).get("_pool", pool) is None:
                return False  # stopped: the worker ends before it became ready
            if processes_up(pool) < (1 if self._warm else pool.num_processes):
                return False
            if not self._warm:
                self._warm = True
                logger.info(READY_MESSAGE)
            return True

        consumer.task_consumer.channel.before_poll(is_warm)


def processes_up(pool: Any) -> int:
    """Processes of a Celery pool that have loaded the bundle and are alive; threads always are."""
    children: Any = getattr(pool, "_pool", None)
    listening = getattr(children, "_fileno_to_inq", None)
    if listening is None:
        return int(pool.num_processes)
    return sum(
        listening.get(child.inqW_fd) is child and child.is_alive() for child in list(children._pool)
    )
