"""Builds Celery messages (protocol 2, in the format of kombu's virtual transports)."""

from __future__ import annotations

import base64
import json
from typing import Any

from kombu.serialization import register

from damage_tasks.telemetry import redact, redacted

Json = dict[str, Any]

# kombu's own JSON interprets objects with "__type__" and "__value__"; if it does
# not know the type, Celery drops the message.  Callers' metadata must stay unchanged.
PLAIN_JSON = "plain-json"
PLAIN_JSON_TYPE = "application/vnd.damage-tasks.plain+json"

MAX_SHOWN_CHARACTERS = 1024  # characters of a message's arguments that Flower shows


def register_plain_json() -> None:
    """Let kombu read plain JSON in this process; kombu's registry applies to the whole process.

    Workers call this before they fork; a caller's process never needs it.
    """
    register(PLAIN_JSON, json.dumps, json.loads, PLAIN_JSON_TYPE, "utf-8")


def celery_message(
    task: str,
    args: list[Any],
    kwargs: Json,
    task_id: str,
    queue: str,
    headers: Json | None = None,
    *,
    shown: str | None = None,
) -> Json:
    """The message that calls ``task``; ``shown`` is how Flower shows the arguments."""
    body = json.dumps([args, kwargs, {"callbacks": None, "errbacks": None, "chain": None}])
    return {
        "body": base64.b64encode(body.encode()).decode(),
        "content-type": PLAIN_JSON_TYPE,
        "content-encoding": "utf-8",
        "headers": {
            "lang": "json",
            "root_id": task_id,
            "parent_id": None,
            "argsrepr": (shown or redact(repr(tuple(redacted(args)))))[:MAX_SHOWN_CHARACTERS],
            "kwargsrepr": "{}",
            "origin": "sqs",
            "retries": 0,
            **(headers or {}),
            "task": task,
            "id": task_id,
            "group": None,
            "eta": None,
            "expires": None,
            "timelimit": [None, None],
            "ignore_result": False,
        },
        "properties": {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            "priority": 0,
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": queue},
        },
    }
