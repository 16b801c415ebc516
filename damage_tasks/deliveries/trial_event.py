"""Sends the event ``webhook.test`` once, without the database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from damage_tasks.deliveries.senders import Senders
from damage_tasks.deliveries.sending import attempt
from damage_tasks.errors import SettingsError
from damage_tasks.results.delivery import Delivery, DeliveryState, EventType
from damage_tasks.results.outbox import event_body
from damage_tasks.settings.event_targets import destination_of

if TYPE_CHECKING:
    from damage_tasks.settings import Settings


def try_targets(settings: Settings, only: str | None = None) -> Iterator[tuple[str, str | None]]:
    """Each target, or ``only`` this one, and why it did not accept the event, if it did not.

    Raises `SettingsError` if there are no targets.
    """
    targets = settings.event_targets if only is None else (only,)
    if not targets:
        raise SettingsError("DAMAGE_EVENT_TARGETS: is not set")
    senders, now = Senders(settings), datetime.now(UTC)
    for target in targets:
        delivery = Delivery(
            id=0,
            event_id=f"evt_{uuid.uuid4().hex}",
            type=str(EventType.TEST),
            inspection_id=None,
            target=target,
            destination=destination_of(target),
            body=event_body(EventType.TEST, {}, now),
            state=DeliveryState.WAITING,
            attempts=0,
            next_attempt_at=now,
            error=None,
            created_at=now,
            ended_at=None,
        )
        yield target, attempt(delivery, senders, ()).outcome.error
