"""Writes the progress of photos to the database, in a thread of the parent process."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from damage_tasks.inspection import Progress, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from damage_tasks.results.store import Inspections

logger = logging.getLogger(__name__)

RUNNING_AFTER_SECONDS = 10.0  # most photos have a verdict by then and need no write
MAX_WAITING_CHANGES = 1000  # maximum number of changes waiting for the database
RETRY_SECONDS = 30.0  # before the next attempt after the database was unreachable


class ProgressWriter:
    """Writes progress, best effort: no method blocks, and no error leaves the thread.

    What cannot be written while the database is unavailable is dropped.
    """

    def __init__(
        self, open_store: Callable[[], Inspections], running_after: float = RUNNING_AFTER_SECONDS
    ) -> None:
        self._open_store = open_store
        self._running_after = running_after
        self._changes: queue.Queue[Callable[[], None]] = queue.Queue(MAX_WAITING_CHANGES)
        # The following are used by the thread only.
        self._store: Inspections | None = None
        self._accepted: dict[str, tuple[float, Progress]] = {}
        self._is_written: set[str] = set()
        self._silent_until = 0.0

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="progress", daemon=True).start()

    def accepted(self, progress: Progress) -> None:
        """Record that a process has started the photo; written only if it takes long."""
        due = time.monotonic() + self._running_after
        self._submit(lambda: self._accepted.update({progress.id: (due, progress)}))

    def failed(self, progress: Progress) -> None:
        """Record that an attempt has failed and will be followed by another."""
        self._submit(lambda: self._failed(progress))

    def ended(self, progress: Progress) -> None:
        """Record that the photo has a verdict or became a dead letter."""
        self._submit(lambda: self._ended(progress))

    def _submit(self, change: Callable[[], None]) -> None:
        try:
            self._changes.put_nowait(change)
        except queue.Full:
            logger.debug("progress was dropped: the database is too slow")

    def _run(self) -> None:
        self._write(lambda store: store.forget_old_progress())
        while True:
            try:
                self._changes.get(timeout=self._seconds_to_next())()
            except queue.Empty:
                self._write_running()

    def _seconds_to_next(self) -> float:
        first = min((due for due, _ in self._accepted.values()), default=None)
        return 60.0 if first is None else max(0.0, first - time.monotonic())

    def _write_running(self) -> None:
        now = time.monotonic()
        for id, (due, progress) in list(self._accepted.items()):
            if due <= now:
                del self._accepted[id]
                self._is_written.add(id)
                current = replace(progress, state=State.RUNNING, updated_at=datetime.now(UTC))
                self._save(current)

    def _failed(self, progress: Progress) -> None:
        self._leave(progress.id)
        self._save(progress)

    def _save(self, progress: Progress) -> None:
        self._write(lambda store: store.save_progress(progress))

    def _ended(self, progress: Progress) -> None:
        if self._leave(progress.id) or progress.attempts > 1:
            self._write(lambda store: store.forget_progress(progress.id))

    def _leave(self, id: str) -> bool:
        """Forget the photo; returns whether anything was written about this attempt."""
        self._accepted.pop(id, None)
        was_written = id in self._is_written
        self._is_written.discard(id)
        return was_written

    def _write(self, act: Callable[[Inspections], None]) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            self._store = self._store or self._open_store()
            act(self._store)
        except Exception as error:
            logger.warning(
                "not writing the progress of photos for %.0f s: %s", RETRY_SECONDS, error
            )
            self._silent_until = time.monotonic() + RETRY_SECONDS
