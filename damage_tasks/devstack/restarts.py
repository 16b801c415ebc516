"""Restarts programs of the stack that have ended, as a cluster does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from damage_tasks.devstack.child_processes import Child

FIRST_PAUSE_SECONDS = 1.0  # doubled each time a program ends soon after its start
MAX_PAUSE_SECONDS = 60.0
STEADY_AFTER_SECONDS = 300.0  # a program that ran this long counts as stable


class Restarts:
    """Decides when to restart which program."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pauses: dict[Child, float] = {}
        self._started: dict[Child, float] = {}
        self._due: dict[Child, float] = {}

    def start_ended(self, children: Iterable[Child]) -> list[str]:
        """Restart those that ended and have waited long enough; returns messages about it."""
        lines = []
        now = self._clock()
        for child in children:
            status = child.returncode
            if status is None:
                continue
            if child not in self._due:
                pause = self._next_pause(child, now)
                self._due[child] = now + pause
                lines.append(f"{child.name} ended with {status}; restarting it in {pause:.0f} s")
            elif now >= self._due[child]:
                del self._due[child]
                child.start_again()
                self._started[child] = self._clock()
        return lines

    def _next_pause(self, child: Child, now: float) -> float:
        soon = child in self._started and now - self._started[child] < STEADY_AFTER_SECONDS
        pause = min(MAX_PAUSE_SECONDS, 2 * self._pauses[child]) if soon else FIRST_PAUSE_SECONDS
        self._pauses[child] = pause
        return pause
