"""One hostile input: the message on the queue and its acceptable outcomes."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from damage_tasks.devstack import PHOTOS_BUCKET
from damage_tasks.inspection_id import storable_id
from tools.loopback_web_server import Site

# Outcomes: a verdict and, if there is one, its reason's code.
EXAMINED = frozenset({"damaged", "clean"})
MALFORMED = frozenset({"rejected message_malformed"})


def rejected(*codes: str) -> frozenset[str]:
    """Rejected with one of ``codes``."""
    return frozenset(f"rejected {code}" for code in codes)


def failed(code: str) -> frozenset[str]:
    """Failed with ``code``, and a dead letter."""
    return frozenset({f"failed {code}"})


def outcome_of(result: Mapping[str, Any]) -> str:
    """The outcome of an inspection, from its result."""
    reason = result["reason"]
    return f"{result['verdict']} {reason['code']}" if reason else str(result["verdict"])


@dataclass(frozen=True)
class Case:
    """``body`` is put on the queue; inspection ``id`` must have one of the ``expected`` outcomes.

    Without an ``id``, it is the SQS MessageId.  ``metadata`` is what the inspection must
    contain, if that matters.
    """

    name: str
    body: str
    expected: frozenset[str]
    id: str | None = None
    metadata: Any = None
    content_type: str | None = None  # a message attribute

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of its SQS message, as boto3 takes them."""
        if self.content_type is None:
            return {}
        return {"content_type": {"DataType": "String", "StringValue": self.content_type}}


@dataclass(frozen=True)
class Ground:
    """Places for hostile photos: a web server, a bucket of the stack and a folder."""

    site: Site
    s3: Any
    folder: Path

    def store(self, key: str, data: bytes) -> str:
        """Put ``data`` into the bucket for photos and return its URL."""
        self.s3.put_object(Bucket=PHOTOS_BUCKET, Key=key, Body=data)
        return f"s3://{PHOTOS_BUCKET}/{key}"


def plain(value: Any) -> str:
    """A message as other languages send it."""
    return json.dumps(value)


def celery(
    args: Any,
    kwargs: Any = None,
    *,
    id: Any = None,
    embed: Any = None,
    headers: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A message as ``detect_damage.delay`` sends it, with changes."""
    id = id if id is not None else str(uuid.uuid4())
    kwargs = {} if kwargs is None else kwargs
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None, **(embed or {})}
    call = json.dumps([args, kwargs, embed]).encode()
    envelope = {
        "body": base64.b64encode(call).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py", "task": "detect_damage", "id": id, "shadow": None, "eta": None,
            "expires": None, "group": None, "group_index": None, "retries": 0,
            "timelimit": [None, None], "root_id": id, "parent_id": None,
            "argsrepr": repr(tuple(args) if isinstance(args, list) else args)[:200],
            "kwargsrepr": repr(kwargs)[:200], "origin": "gen1@caller", "ignore_result": False,
            "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {}, **(headers or {}),
        },
        "properties": {
            "correlation_id": id, "reply_to": str(uuid.uuid4()), "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "damage"}, "priority": 0,
            "body_encoding": "base64", "delivery_tag": str(uuid.uuid4()), **(properties or {}),
        },
        **changes,
    }  # fmt: skip
    return base64.b64encode(json.dumps(envelope).encode()).decode()


def readable_id(body: str) -> str | None:
    """The id under which the sender of a body looks for its inspection, if the body has one."""
    with suppress(ValueError):
        body = base64.b64decode(body, validate=True).decode("utf-8", "replace")
    for path in (
        ("headers", "id"),
        ("inspection", "id"),
        ("id",),
        ("properties", "correlation_id"),
    ):
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            id = json.loads(body)
            for key in path:
                id = id[key]
            if isinstance(id, str) and id:
                return storable_id(id)
    return None


def case_of_url(name: str, url: Any, expected: frozenset[str], metadata: Any = None) -> Case:
    """A request for the photo at ``url``, in Celery's format."""
    id = str(uuid.uuid4())
    args = [url] if metadata is None else [url, metadata]
    return Case(name, celery(args, id=id), expected, id)
