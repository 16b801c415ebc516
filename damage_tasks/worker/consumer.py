"""Celery's consumer, hardened so that a failing deferred callback cannot end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.log import get_logger

from damage_tasks.telemetry import redact

logger = get_logger(__name__)


class Consumer(CeleryConsumer):
    """The ``worker_consumer`` of the application."""

    def call_soon(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call ``callback`` soon in the main loop, and log its exceptions.

        Remote-control commands are deferred by this method, and an error that reaches the main
        loop would end the worker.  `WorkerShutdown` is a `SystemExit` and still does.
        """

        def guarded() -> None:
            try:
                callback(*args, **kwargs)
            except Exception as error:
                logger.exception("a deferred command failed: %s", redact(repr(error)))

        return super().call_soon(guarded)
