"""Deliveries for tests."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from damage_tasks.results.delivery import Delivery, DeliveryState
from damage_tasks.settings import Settings
from damage_tasks.settings.event_targets import destination_of

SECRET = f"whsec_{base64.b64encode(b'first secret of the tests').decode()}"
NEXT_SECRET = f"whsec_{base64.b64encode(b'second secret of the tests').decode()}"
BODY = '{"type":"inspection.completed","timestamp":"2026-11-29T12:00:00+00:00","data":{"a":"ü"}}'


def delivery_to(target: str, **changes: Any) -> Delivery:
    """A delivery that is due, of an event that has not been sent yet."""
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "id": 1,
        "event_id": "evt_0123456789abcdef",
        "type": "inspection.completed",
        "inspection_id": "task-1",
        "target": target,
        "destination": destination_of(target),
        "body": BODY,
        "state": DeliveryState.WAITING,
        "attempts": 0,
        "next_attempt_at": now,
        "error": None,
        "created_at": now,
        "ended_at": None,
    }
    return Delivery(**{**values, **changes})


def settings_for(*targets: str, **changes: Any) -> Settings:
    """Settings that allow ``targets`` on this machine, with one secret."""
    relaxed: dict[str, Any] = {
        "event_targets": targets,
        "allow_http": True,
        "internal_webhook_hosts": tuple(
            destination_of(target).partition("://")[2] for target in targets if "://" in target
        ),
        "webhook_secrets": (SECRET,),
    }
    return Settings(**{**relaxed, **changes})
