"""The loop that claims due deliveries, sends them in threads and records the outcomes."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Event
from typing import TYPE_CHECKING

from damage_tasks.deliveries.sending import MAX_AT_ONCE, Attempted, Sender, attempt
from damage_tasks.deliveries.without_pictures import without_pictures
from damage_tasks.errors import DatabaseUnavailable
from damage_tasks.telemetry import redact

if TYPE_CHECKING:
    from damage_tasks.results.delivery import Delivery, Outcome
    from damage_tasks.results.delivery_queue import DeliveryQueue
    from damage_tasks.settings import Settings

logger = logging.getLogger(__name__)

# So that a receiver that hangs leaves room for the others.
MAX_AT_ONCE_PER_DESTINATION = 8  # requests
POLL_SECONDS = 1.0
# In addition to the time of a request: a claim must not end before its outcome is recorded.
LEASE_MARGIN_SECONDS = 40.0
CLEANING_SECONDS = 600.0  # seconds between deletions of old deliveries
MAX_PAUSE_SECONDS = 30.0  # between attempts to reach the database


class Deliverer:
    """Delivers events until it is stopped; any number of processes may run at once.

    ``ended`` is called with each outcome and the seconds its request took, and ``beat``
    in each turn of the loop.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        sender_of: Callable[[Delivery], Sender],
        settings: Settings,
        *,
        ended: Callable[[Outcome, float], None] = lambda *_: None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue = queue
        self._sender_of = sender_of
        self._settings = settings
        self._ended = ended
        self._beat = beat
        self._lease = timedelta(seconds=settings.webhook_timeout + LEASE_MARGIN_SECONDS)
        self._in_flight: Counter[str] = Counter()  # by destination
        self._paused: dict[str, float] = {}  # until when, by destination
        self._done: SimpleQueue[Attempted] = SimpleQueue()
        self._unrecorded: list[Outcome] = []
        self._next_cleaning = 0.0

    def run(self, stopping: Event) -> None:
        """Deliver until ``stopping`` is set; requests in progress are finished then.

        Raises `DatabaseError` if the database refuses the statements.
        """
        pause = POLL_SECONDS
        with ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="delivery") as pool:
            while not stopping.is_set():
                self._beat()
                try:
                    self._take_turn(pool)
                    pause = POLL_SECONDS
                except DatabaseUnavailable as error:
                    logger.warning(
                        "no events are delivered: %s; next attempt in %.0f s", error, pause
                    )
                    stopping.wait(pause)
                    pause = min(MAX_PAUSE_SECONDS, pause * 2)
                self._wait(stopping)
        self._collect()
        self._record()

    def _take_turn(self, pool: ThreadPoolExecutor) -> None:
        self._record()
        self._clean()
        if self._in_flight.total() < MAX_AT_ONCE:
            for destination in self._queue.due_destinations():
                self._claim(destination, pool)

    def _claim(self, destination: str, pool: ThreadPoolExecutor) -> None:
        if time.monotonic() < self._paused.get(destination, 0.0):
            return
        self._paused.pop(destination, None)
        room = min(
            MAX_AT_ONCE - self._in_flight.total(),
            MAX_AT_ONCE_PER_DESTINATION - self._in_flight[destination],
        )
        if room <= 0:
            return
        for delivery in self._queue.claim(destination, room, self._lease):
            if self._settings.redact_bundle is not None:
                delivery = without_pictures(delivery)
            self._in_flight[destination] += 1
            pool.submit(self._attempt, delivery)

    def _attempt(self, delivery: Delivery) -> None:
        began = time.monotonic()
        done = attempt(delivery, self._sender_of, self._settings.delivery_delays)
        self._ended(done.outcome, time.monotonic() - began)
        self._done.put(done)

    def _wait(self, stopping: Event) -> None:
        """Wait until an attempt has ended, or until it is time to look for due deliveries."""
        if not self._in_flight.total():
            stopping.wait(POLL_SECONDS)
            return
        try:
            self._take(self._done.get(timeout=POLL_SECONDS))
        except Empty:
            return
        self._collect()

    def _collect(self) -> None:
        while not self._done.empty():
            self._take(self._done.get())

    def _take(self, done: Attempted) -> None:
        destination = done.outcome.delivery.destination
        self._in_flight[destination] -= 1
        if not self._in_flight[destination]:
            del self._in_flight[destination]
        if done.wait:
            self._paused[destination] = time.monotonic() + done.wait
        self._unrecorded.append(done.outcome)
        _log(done.outcome)

    def _record(self) -> None:
        if self._unrecorded:
            self._queue.record(self._unrecorded)
            self._unrecorded.clear()

    def _clean(self) -> None:
        if time.monotonic() < self._next_cleaning:
            return
        before = datetime.now(UTC) - timedelta(days=self._settings.delivery_days)
        # More than can be deleted at once are deleted in the next turns.
        if not self._queue.forget_delivered(before):
            self._next_cleaning = time.monotonic() + CLEANING_SECONDS


def _log(outcome: Outcome) -> None:
    delivery, at = outcome.delivery, outcome.next_attempt_at
    fields = {
        "delivery": delivery.id,
        "task_id": delivery.inspection_id,
        "type": delivery.type,
        "target": redact(delivery.target),
        "attempts": delivery.attempts + 1,
    }
    if outcome.error is None:
        logger.info("event delivered", extra=fields)
    elif at is not None:
        logger.warning(
            "event not delivered, will be retried",
            extra={**fields, "why": redact(outcome.error), "at": at.isoformat(timespec="seconds")},
        )
    else:
        logger.error("event not delivered", extra={**fields, "why": redact(outcome.error)})
