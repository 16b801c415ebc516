"""Stops a worker on which all photos fail."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import billiard

logger = logging.getLogger(__name__)

EXIT_STATUS = 70  # EX_SOFTWARE of sysexits.h


def stop_worker() -> None:
    """End the worker that this process belongs to; its processes finish their photos first."""
    in_child = billiard.current_process().name != "MainProcess"
    os.kill(os.getppid() if in_child else os.getpid(), signal.SIGTERM)


class Breaker:
    """Counts photos that failed through no fault of their own, by task id.

    Too many different ones in a row stop the worker: it would turn the whole queue into dead
    letters, which is worse than no worker.  Does nothing until `arm` is called.
    """

    def __init__(self, stop: Callable[[], None] = stop_worker) -> None:
        self._stop = stop
        self._limit: int | None = None
        self._failed: set[str] = set()  # in this process, since the last examined photo
        self._lost: set[str] = set()  # in the parent, since any process examined a photo
        self._examined_before_loss = 0
        # Shared between the parent and its processes.
        self._examined: Any = None
        self._tripped: Any = None

    def arm(self, limit: int) -> None:
        """Make the ``limit``-th failure in a row stop the worker; call before any fork."""
        self._examined = multiprocessing.Value("L", 0)
        self._tripped = multiprocessing.Value("b", 0)
        self._limit = limit

    @property
    def tripped(self) -> bool:
        """Whether any process of the worker has stopped it."""
        return self._tripped is not None and bool(self._tripped.value)

    def examined(self) -> None:
        """Record that a photo was examined and its verdict stored: this process works.

        A rejected photo, or one that was already known, proves nothing.
        """
        self._failed.clear()
        if self._examined is not None:
            with self._examined.get_lock():
                self._examined.value += 1

    def failed(self, id: str) -> None:
        """Record that a photo failed in this process."""
        self._failed.add(id)
        self._check(self._failed, "failed")

    def lost(self, id: str) -> None:
        """In the parent: record that a process died or exceeded its time limit with the photo."""
        if self._examined is not None and self._examined.value != self._examined_before_loss:
            self._examined_before_loss = self._examined.value
            self._lost.clear()
        self._lost.add(id)
        self._check(self._lost, "ended their process")

    def trip(self) -> None:
        """Stop the worker, which then exits with `EXIT_STATUS`."""
        if self._tripped is not None:
            self._tripped.value = 1
            self._stop()

    def _check(self, photos: set[str], what: str) -> None:
        if self._limit is not None and len(photos) >= self._limit:
            logger.critical("worker stops: %d photos in a row %s", len(photos), what)
            self.trip()
