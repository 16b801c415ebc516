"""The heartbeat file, touched only while the worker really makes progress.

Either SQS has just answered a poll, or no poll is due because every process has a
photo that is within its time limit.  In both cases the processes must be running and no
photo may be stuck.  Celery's own heartbeat is driven by a timer and continues while
polling hangs (celery/celery#4079, celery/celery#5072).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.worker import state
from kombu.log import get_logger

from damage_tasks.settings import get_settings
from damage_tasks.worker.poll_when_ready import WarmUp, processes_up
from damage_tasks.worker.runtime import runtime_of
from damage_tasks.worker.state_files import StateFiles

logger = get_logger(__name__)

KILL_MARGIN_SECONDS = 15.0  # Celery may take this long beyond the time limit to kill a process
# Seconds without an answer to the polls of one queue, while another one is polled: several times a
# long poll.
MAX_UNPOLLED_SECONDS = 60.0
MAX_UNTAKEN_SECONDS = 30.0  # a photo may wait this long for an idle process


def clear_heartbeat(files: StateFiles) -> None:
    """Remove an earlier worker's files: nothing is alive or ready yet."""
    for left in (files.heartbeat, files.ready):
        try:
            left.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("cannot remove %s: %s", left, error)


class Heartbeat(bootsteps.StartStopStep):
    """Checks the worker whenever the SQS channel is about to poll or finds that no poll is due."""

    # The order in which hooks are added to the channel is the order in which they run.
    requires = (WarmUp,)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        settings = get_settings()
        self.files = StateFiles(settings.heartbeat_file)
        self._limit = settings.heartbeat_limit
        self._time_limit = settings.time_limit + KILL_MARGIN_SECONDS
        self._load_limit = settings.load_timeout + KILL_MARGIN_SECONDS
        self._consumer = consumer
        self._all_up = time.monotonic()
        self._stuck_since: dict[str, float] = {}
        self._written = 0.0
        self._drain_timer: Any = None
        self._polled_at: dict[str, float] = {}  # by queue
        self._polling_at: dict[str, float] = {}  # when each queue was last seen to be polled
        self._is_unwritable = False
        self.trouble: str | None = None
        self.polls = 0
        self.database_refusal: Callable[[], str | None] = lambda: None

    def start(self, consumer: Any) -> None:
        self._cancel_timer()
        self._all_up = time.monotonic()
        monitor = runtime_of(consumer.app).monitor
        monitor.heartbeat_figures = self.figures
        self.database_refusal = lambda: monitor.database.refusal
        channel = consumer.task_consumer.channel
        self._polling_at = dict.fromkeys(channel.predefined_queues, time.monotonic())

        # Called after every finished poll of a queue and, while the worker has no room, many
        # times per second; it stops while a poll hangs.
        def notice_poll(queue: str) -> bool:
            polled_at = channel.polled_at(queue)
            is_answered = polled_at is not None and polled_at != self._polled_at.get(queue)
            if is_answered or not channel.is_poll_due(queue):
                self._polling_at[queue] = time.monotonic()
            if is_answered:
                self._polled_at[queue] = polled_at
                self.polled()
            elif not channel.has_room(queue):
                self.busy()
            return True

        channel.before_poll(notice_poll)

    def stop(self, consumer: Any) -> None:
        self.files.ready.unlink(missing_ok=True)
        if consumer.hub is not None:
            # Polling ends now, but photos in progress are finished.
            self._cancel_timer()
            self._drain_timer = consumer.hub.timer.call_repeatedly(1.0, self.draining)

    def shutdown(self, consumer: Any) -> None:
        self._cancel_timer()

    def polled(self) -> None:
        """Record that SQS has answered a poll."""
        self.polls += 1
        works = self._beat(
            self._queue_trouble() or self._process_trouble() or self._photo_trouble()
        )
        if not self._withdraw_readiness() and works and self._is_complete():
            self._touch(self.files.ready)

    def busy(self) -> None:
        """Record that no poll is due, because the worker holds as many photos as it may."""
        self._beat(
            self._queue_trouble()
            or self._process_trouble()
            or self._photo_trouble()
            or self._idle_trouble()
        )
        self._withdraw_readiness()

    def draining(self) -> None:
        """Record that the worker no longer polls, but finishes its photos."""
        if state.active_requests:
            self._beat(self._photo_trouble())

    def figures(self) -> dict[str, Any]:
        """Values for Prometheus; ages in seconds."""
        now = time.monotonic()
        return {
            "polls": self.polls,
            "poll_age_seconds": now - max(self._polled_at.values()) if self._polled_at else None,
            "heartbeat_age_seconds": now - self._written if self._written else None,
            "processes": self._processes_up(),
            "processes_wanted": self._consumer.pool.num_processes,
        }

    def _queue_trouble(self) -> str | None:
        # Only the polls of another queue can hang while one is polled.
        now = time.monotonic()
        for queue, seen in self._polling_at.items():
            if now - seen > MAX_UNPOLLED_SECONDS:
                return f"queue {queue} has not been polled for {now - seen:.0f} s"
        return None

    def _process_trouble(self) -> str | None:
        now = time.monotonic()
        if self._is_complete():
            self._all_up = now
        missing = now - self._all_up
        return f"processes are missing for {missing:.0f} s" if missing > self._load_limit else None

    def _photo_trouble(self) -> str | None:
        now, clock = time.monotonic(), time.time()
        for request in list(state.active_requests):
            age = clock - (request.time_start or clock)
            if age > self._time_limit:
                return f"photo {request.id} has been running for {age:.0f} s"
        # An idle process that does not take its photo is stuck.
        idle = self._processes_up() > len(state.active_requests)
        waiting = {request.id for request in state.reserved_requests - state.active_requests}
        since = self._stuck_since
        self._stuck_since = {id: since.get(id, now) for id in waiting} if idle else {}
        for id, first in self._stuck_since.items():
            if now - first > MAX_UNTAKEN_SECONDS:
                return f"no process has taken photo {id} for {now - first:.0f} s"
        return None

    def _idle_trouble(self) -> str | None:
        held_back = any(
            bucket is not None and bucket.contents
            for bucket in list(self._consumer.task_buckets.values())
        )
        if state.reserved_requests or held_back:
            return None
        return "no photo is in progress, but no poll is due"

    def _withdraw_readiness(self) -> bool:
        """Show that the worker is not ready if the database refuses it; returns whether it does."""
        is_refused = self.database_refusal() is not None
        if is_refused:
            self.files.ready.unlink(missing_ok=True)
        return is_refused

    def _is_complete(self) -> bool:
        return self._processes_up() >= self._consumer.pool.num_processes

    def _processes_up(self) -> int:
        return processes_up(self._consumer.pool)

    def _beat(self, trouble: str | None) -> bool:
        if trouble != self.trouble:
            if trouble and not self.trouble:
                logger.error("no heartbeat: %s", trouble)
            elif not trouble:
                logger.warning("heartbeat is back")
            self.trouble = trouble
        if trouble:
            return False
        now = time.monotonic()
        if now - self._written >= 1.0:
            self._written = now
            self._touch(self.files.heartbeat, f"{int(time.time())} {self._limit}\n")
        return True

    def _touch(self, file: Path, text: str = "") -> None:
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # In place and always of the same size, which needs no space on a full disk.  If
            # there was none from the start, the probe reads the time of the empty file.
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.utime(descriptor)
                os.pwrite(descriptor, text.encode(), 0)
            finally:
                os.close(descriptor)
        except OSError as error:
            if not self._is_unwritable:
                logger.warning("heartbeat was not written: %s", error)
            self._is_unwritable = True
        else:
            # The content of an empty file is unknown.
            self._is_unwritable = self._is_unwritable and not text

    def _cancel_timer(self) -> None:
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None
