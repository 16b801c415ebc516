"""What all ways of sending an event have in common."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from damage_tasks.results.delivery import Delivery, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_AT_ONCE = 32  # requests that a process makes
MAX_WAIT_SECONDS = 86_400  # for which a receiver may ask us to wait


class SendingFailed(Exception):
    """Raised when a receiver did not accept an event.

    ``wait`` is for how many seconds nothing should be sent to the destination.  ``is_gone``
    means that the receiver wants no more events.
    """

    def __init__(self, text: str, *, wait: float = 0.0, is_gone: bool = False) -> None:
        super().__init__(text)
        self.wait = min(wait, float(MAX_WAIT_SECONDS))
        self.is_gone = is_gone


class Sender(Protocol):
    """Sends events to targets of one kind."""

    def send(self, delivery: Delivery) -> None:
        """Send an event; raises `SendingFailed` if it was not accepted."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt that has ended; the destination is left alone for ``wait`` seconds."""

    outcome: Outcome
    wait: float = 0.0


def attempt(
    delivery: Delivery, sender_of: Callable[[Delivery], Sender], delays: Sequence[int]
) -> Attempted:
    """Try to send ``delivery``; never raises.

    ``delays`` are the seconds before each further attempt.
    """
    try:
        sender_of(delivery).send(delivery)
    except SendingFailed as error:
        at = None if error.is_gone else next_attempt_at(delivery.attempts + 1, delays, error.wait)
        return Attempted(Outcome(delivery, str(error), at, error.is_gone), error.wait)
    except Exception as error:
        # Whatever a client library raises must not end the process.
        at = next_attempt_at(delivery.attempts + 1, delays)
        return Attempted(Outcome(delivery, f"{type(error).__name__}: {error}", at))
    return Attempted(Outcome(delivery))


def next_attempt_at(ended: int, delays: Sequence[int], wait: float = 0.0) -> datetime | None:
    """When to try again after ``ended`` attempts; None if there are no more.

    A delay is lengthened by up to a tenth at random, so that deliveries that failed together are
    not repeated together; it is at least ``wait`` seconds.
    """
    if ended > len(delays):
        return None
    seconds = max(wait, delays[ended - 1] * random.uniform(1.0, 1.1))
    return datetime.now(UTC) + timedelta(seconds=seconds)
