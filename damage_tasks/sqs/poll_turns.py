"""What a channel knows of its queues' polls, and which queue may be polled next.

With one queue, a poll is due whenever the worker has room.  With an urgent queue, a poll of it is
always in flight, even while all processes are busy: SQS then delivers an urgent photo at once, and
the next free process takes it, because no other photo is waiting in the worker.  The other queue
has a turn after `URGENT_IN_A_ROW` urgent photos, which therefore cannot block all others.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass

URGENT_IN_A_ROW = 10  # urgent photos received while other photos wait for a free process


@dataclass
class QueuePolls:
    """The polls of one queue; times are those of `time.monotonic`."""

    answered_at: float | None = None
    sent_at: float | None = None
    failures: int = 0  # since the last answer
    refused_since: float | None = None
    waits_for_room: bool = False


class PollTurns:
    """Decides on the polls of one channel, whose urgent queue is ``urgent``."""

    def __init__(self, urgent: str | None) -> None:
        self._urgent = urgent
        self._queues: defaultdict[str, QueuePolls] = defaultdict(QueuePolls)
        self._urgent_in_a_row = 0

    def __getitem__(self, queue: str) -> QueuePolls:
        return self._queues[queue]

    def has_room(self, queue: str, in_hand: int, limit: int, prefetch: int) -> bool:
        """Whether the worker can take a message of ``queue`` besides the ``in_hand`` it has.

        ``limit`` is the number that it may hold, ``prefetch`` for each of its processes; 0 is no
        limit.  At most half of the photos that may wait in this worker remain: then one receive
        returns several, while the other half keeps the processes busy.
        """
        if not limit:
            return True
        if queue == self._urgent:
            return in_hand <= limit  # one more than of others
        processes = limit // prefetch
        return limit - in_hand >= max(1, (limit - processes + 1) // 2)

    def must_wait(self, queue: str) -> bool:
        """Whether it is another queue's turn, although the worker has room."""
        return (
            queue == self._urgent
            and self._urgent_in_a_row >= URGENT_IN_A_ROW
            and any(
                polls.waits_for_room
                for other, polls in self._queues.items()
                if other != self._urgent
            )
        )

    def sent(self, queue: str) -> None:
        """Record that a poll of ``queue`` is sent."""
        self[queue].sent_at = time.monotonic()
        self[queue].waits_for_room = False
        if queue != self._urgent:
            self._urgent_in_a_row = 0

    def answered(self, queue: str, messages: int) -> None:
        """Record that SQS has answered a poll of ``queue`` with a number of messages."""
        polls = self[queue]
        polls.answered_at = time.monotonic()
        polls.failures, polls.refused_since = 0, None
        if queue == self._urgent:
            self._urgent_in_a_row += messages

    def may_follow_at_once(self, queue: str) -> bool:
        """Whether the next poll of ``queue`` may follow one without messages immediately.

        An urgent photo must not wait for the pause.  Where an endpoint does not support long
        polling, the pause prevents a busy loop.
        """
        sent_at = self[queue].sent_at
        return queue == self._urgent and sent_at is not None and time.monotonic() - sent_at > 1.0
