"""Keeps connections to the event bus: after each failure, waits longer before the next attempt."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kombu.log import get_logger

from damage_tasks.telemetry import redact

logger = get_logger(__name__)

FIRST_WAIT_SECONDS = 1.0  # before the first further attempt


class Backoff:
    """Waits between attempts: 1 s first, then twice the previous one, up to a maximum."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._next = FIRST_WAIT_SECONDS

    def next_wait(self) -> float:
        """Seconds to wait before the next attempt."""
        wait = self._next
        self._next = min(2 * wait, self._max_seconds)
        return wait

    def reset(self) -> None:
        """Start with the shortest wait again, after an attempt that succeeded."""
        self._next = FIRST_WAIT_SECONDS


def keep_connected(
    listen: Callable[[Callable[[], None]], None],
    stopped: threading.Event,
    *,
    name: str,
    max_wait_seconds: float,
) -> None:
    """Call ``listen`` whenever it has ended or raised, until ``stopped`` is set.

    ``listen`` must call its argument when it is connected. ``name`` says in the log who lost
    the bus.
    """
    backoff = Backoff(max_wait_seconds)
    while not stopped.is_set():
        error: Exception | None = None
        try:
            listen(backoff.reset)
        except Exception as raised:
            error = raised
        if stopped.is_set():
            return
        wait = backoff.next_wait()
        if error is not None:
            logger.warning(
                "%s lost the event bus; next attempt in %.0f s: %s", name, wait, redact(str(error))
            )
        stopped.wait(wait)
