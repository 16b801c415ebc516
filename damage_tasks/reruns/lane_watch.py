"""Whether photos wait for their verdicts: a rerun then sends nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from damage_tasks.errors import QueueUnavailable
from damage_tasks.sqs.queues import Queue

CHECK_SECONDS = 2.0


class LaneWatch:
    """Watches the queues at ``urls`` (by lane), which ``read`` reads with their URL.

    Up to ``tolerated`` messages may wait in the queues without pausing a rerun.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        read: Callable[[str], Queue],
        tolerated: int = 0,
        every: float = CHECK_SECONDS,
    ) -> None:
        self._urls = urls
        self._read = read
        self._tolerated = tolerated
        self._every = every
        self._checked_at: float | None = None
        self._reason: str | None = None

    def reason_to_pause(self) -> str | None:
        """Which photos wait; None if none do.  Requests to SQS are at least 2 seconds apart."""
        now = time.monotonic()
        if self._checked_at is None or now - self._checked_at >= self._every:
            self._checked_at = now
            self._reason = self._check()
        return self._reason

    def _check(self) -> str | None:
        try:
            waiting = {lane: self._read(url).waiting for lane, url in self._urls.items()}
        except QueueUnavailable as error:
            return f"the queues cannot be read: {error}"
        if sum(waiting.values()) <= self._tolerated:
            return None
        lanes = ", ".join(f"{number} in {lane}" for lane, number in waiting.items() if number)
        return f"photos wait for their verdicts: {lanes}"
