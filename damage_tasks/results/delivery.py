"""Deliveries of events as plain values: what is sent, how it ended, and which are meant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventType(StrEnum):
    """What an event says about an inspection."""

    COMPLETED = "inspection.completed"
    FAILED = "inspection.failed"
    RETRYING = "inspection.retrying"
    REVIEWED = "inspection.reviewed"
    CASE_COMPLETED = "case.completed"
    TEST = "webhook.test"


class DeliveryState(StrEnum):
    """The state of one event's delivery to one target."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one target; ``attempts`` have ended so far, the last one with ``error``."""

    id: int
    event_id: str
    type: str
    inspection_id: str | None
    target: str
    destination: str
    body: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    error: str | None
    created_at: datetime
    ended_at: datetime | None
    case_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: delivered if ``error`` is None, else retried at ``next_attempt_at``.

    Without ``next_attempt_at``, the delivery has failed.  ``disables`` means that the target
    wants no more events.
    """

    delivery: Delivery
    error: str | None = None
    next_attempt_at: datetime | None = None
    disables: bool = False


@dataclass(frozen=True, slots=True)
class DeliverySelection:
    """Which deliveries an operator means; fields that are None or empty select all."""

    state: DeliveryState | None = None
    ids: Collection[int] = ()
    inspection_ids: Collection[str] = ()
    type: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """The number of deliveries waiting and failed, and since when the first one has been due."""

    waiting: int
    failed: int
    due_since: datetime | None
