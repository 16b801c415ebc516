"""Sends past photos to the workers of another bundle, a few at a time.

What was examined, and what failed, is read from the database.  So a run that ends at any moment is
continued by the next one, and claims of workers (`damage_tasks.results.reexaminations`) keep a
message that both have sent from being examined twice.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from damage_tasks.errors import BundleMismatch
from damage_tasks.results.reexaminations import (
    Outcome,
    abandoned_among,
    ended_among,
    forget_failures,
)
from damage_tasks.results.rerun_selection import next_photos, unexamined_among

if TYPE_CHECKING:
    from damage_tasks.results.rerun_selection import Selection
    from damage_tasks.results.store import Inspections

STEP_SECONDS = 0.25  # between looks at the database
RATE_SECONDS = 60.0  # over which the rate is measured
CHECK_SECONDS = 30.0  # between checks for photos whose message or worker was lost
LOST_AFTER_SECONDS = 900.0  # without a claim; a message may wait for workers to start
PAGE = 500  # digests read at a time


@dataclass
class RerunProgress:
    """What this run has done so far; ``in_flight`` photos are sent and not finished."""

    examined: int = 0
    failed: int = 0
    in_flight: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    pause: str | None = None
    idle_seconds: float = 0.0  # since a photo was finished, while some are in flight
    rate: float = 0.0  # photos a second in the last minute

    @property
    def done(self) -> int:
        """The photos that were finished in this run."""
        return self.examined + self.failed


class RerunFeeder:
    """Keeps at most ``in_flight`` photos of ``selection`` on the queue."""

    def __init__(
        self,
        store: Inspections,
        selection: Selection,
        send: Callable[[Sequence[str]], None],
        reason_to_pause: Callable[[], str | None],
        in_flight: int,
    ) -> None:
        """``send`` puts photos (digests) on the queue; ``reason_to_pause`` says whether not to."""
        self.progress = RerunProgress()
        self._store = store
        self._selection = selection
        self._send = send
        self._reason_to_pause = reason_to_pause
        self._limit = in_flight
        self._sent: dict[str, float] = {}  # the time (`time.monotonic`) by digest
        self._due = self._photos()
        self._is_exhausted = False
        self._finished: deque[float] = deque()
        self._last_end = self._checked_at = self._began = time.monotonic()

    def run(self, report: Callable[[RerunProgress], None]) -> None:
        """Send photos until all are finished; calls ``report`` again and again.

        Raises `BundleMismatch` if the workers have another bundle, `PhotosNotSent`,
        `DatabaseUnavailable` or `DatabaseError`.
        """
        while not (self._is_exhausted and not self._sent):
            self.step()
            report(self.progress)
            if self._sent or self.progress.pause:
                time.sleep(STEP_SECONDS)

    def step(self) -> None:
        """Note what has ended, and send as many photos as there is room for."""
        self._collect()
        self._send_lost_again()
        self.progress.pause = None if self._is_exhausted else self._reason_to_pause()
        if not self.progress.pause:
            self._refill()
        self._measure()

    def _collect(self) -> None:
        if not self._sent:
            return
        with self._store.transaction() as connection:
            ended = ended_among(connection, list(self._sent), self._selection.bundle_digest)
        self._check_bundle(ended)
        for outcome in ended:
            del self._sent[outcome.photo_sha256]
            self._end(outcome)

    def _check_bundle(self, ended: Sequence[Outcome]) -> None:
        refused = [each for each in ended if each.reason_code == BundleMismatch.code]
        if refused:
            photos = [each.photo_sha256 for each in refused]
            with self._store.transaction() as connection:
                forget_failures(connection, photos, self._selection.bundle_digest)
            raise BundleMismatch(refused[0].reason_text or "")

    def _end(self, outcome: Outcome) -> None:
        self._last_end = time.monotonic()
        self._finished.append(self._last_end)
        if outcome.reason_code is not None:
            self.progress.failed += 1
        else:
            self.progress.examined += 1
            self.progress.sources[outcome.source or "known"] += 1

    def _send_lost_again(self) -> None:
        """Send photos again whose worker or message was lost, and give up those erased since."""
        now = time.monotonic()
        if not self._sent or now - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = now
        sent, digest = list(self._sent), self._selection.bundle_digest
        with self._store.transaction() as connection:
            due = unexamined_among(connection, self._selection, sent)
            lost = set(abandoned_among(connection, sent, digest))
        for photo in sent:
            if photo not in due:
                del self._sent[photo]
            elif now - self._sent[photo] > LOST_AFTER_SECONDS:
                lost.add(photo)
        again = sorted(lost & due)
        if again:
            self._send(again)
            self._sent.update(dict.fromkeys(again, now))

    def _refill(self) -> None:
        room = self._limit - len(self._sent)
        photos = [photo for _, photo in zip(range(room), self._due, strict=False)]
        self._is_exhausted = self._is_exhausted or len(photos) < room
        if photos:
            if not self._sent:
                self._last_end = time.monotonic()
            self._send(photos)
            self._sent.update(dict.fromkeys(photos, time.monotonic()))

    def _photos(self) -> Iterator[str]:
        last = ""
        while True:
            with self._store.transaction() as connection:
                photos = next_photos(connection, self._selection, last, PAGE)
            yield from photos
            if len(photos) < PAGE:
                return
            last = photos[-1]

    def _measure(self) -> None:
        now = time.monotonic()
        while self._finished and self._finished[0] < now - RATE_SECONDS:
            self._finished.popleft()
        measured = min(RATE_SECONDS, now - self._began)
        self.progress.rate = len(self._finished) / measured if measured else 0.0
        self.progress.in_flight = len(self._sent)
        self.progress.idle_seconds = now - self._last_end if self._sent else 0.0
