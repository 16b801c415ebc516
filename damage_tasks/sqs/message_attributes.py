"""A message's SQS attributes, read from the properties of the enclosing Celery message."""

from __future__ import annotations

from typing import Any

from damage_tasks.lanes import BULK, URGENT

# Between a task's hard time limit and its message becoming visible again.
VISIBILITY_MARGIN_SECONDS = 10
MAX_DELAY_SECONDS = 900  # of DelaySeconds; SQS accepts no more


def sent_at(properties: dict[str, Any]) -> float | None:
    """When SQS accepted the message, in seconds since 1970; None if it did not come from SQS."""
    stamp = _attributes(properties).get("SentTimestamp")
    return int(stamp) / 1000 if stamp else None


def message_id_of(properties: dict[str, Any]) -> str | None:
    """The SQS MessageId; None if the message did not come from SQS."""
    message = (properties.get("delivery_info") or {}).get("sqs_message") or {}
    id: str | None = message.get("MessageId")
    return id


def receives_of(properties: dict[str, Any]) -> int:
    """How often SQS has delivered the message, including this time."""
    # Celery's own `redelivered` flag is always false on SQS.
    return int(_attributes(properties).get("ApproximateReceiveCount", 1))


def group_of(properties: dict[str, Any]) -> str | None:
    """The message's ``MessageGroupId``, by which a standard queue shares workers fairly."""
    return _attributes(properties).get("MessageGroupId")


def queue_of(properties: dict[str, Any]) -> str | None:
    """Celery's name for the queue that the message came from; None if it did not come from one."""
    queue: str | None = (properties.get("delivery_info") or {}).get("routing_key")
    return queue


def lane_of(properties: dict[str, Any]) -> str:
    """Whether the message came from the urgent queue: ``urgent``, or else ``bulk``."""
    return URGENT if queue_of(properties) == URGENT else BULK


def _attributes(properties: dict[str, Any]) -> dict[str, str]:
    message = (properties.get("delivery_info") or {}).get("sqs_message") or {}
    return message.get("Attributes") or {}
