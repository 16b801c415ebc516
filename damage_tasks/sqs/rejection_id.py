"""The id under which the rejection of an unusable message is stored."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

from damage_tasks.inspection_id import storable_id
from damage_tasks.sqs.inspection_options import OPTIONS_KEY


def rejection_id(payload: Any) -> str | None:
    """The id that the sender of a message waits for, in the form in which it is stored.

    None if the message has none: its sender knows the MessageId only.
    """
    if not isinstance(payload, dict):
        return None
    for place, name in (
        (payload.get("headers"), "id"),
        (payload.get(OPTIONS_KEY), "id"),
        (_first_protocol(payload), "id"),
        # Celery repeats the id here; with pickle, the body cannot be read.
        (payload.get("properties"), "correlation_id"),
    ):
        id = place.get(name) if isinstance(place, dict) else None
        if isinstance(id, str) and id:
            return storable_id(id)
    return None


def _first_protocol(payload: dict[str, Any]) -> Any:
    """The part of a message in Celery's first protocol that has the id, if it is one."""
    body: Any = payload.get("body", payload if "task" in payload else None)
    with suppress(TypeError, ValueError, RecursionError):
        body = json.loads(base64.b64decode(body, validate=True))
    return body
