"""Converts every SQS body to a Celery message that can be executed.

Celery's own messages are accepted.  ``{"image_url": ...}`` from any language becomes a
`detect_damage` call whose task id is the SQS MessageId, which SendMessage returned to
the sender, and so does S3's event about an uploaded photo, with an id made of the object.
Compact messages (`compact_message`) are the same requests in Protocol Buffers.
Everything else becomes `record_malformed`: a stock worker would delete it or crash
(celery/kombu#2421).
"""

from __future__ import annotations

import base64
import json
from typing import Any

from damage_tasks.intake.s3_events import may_be_s3_event, uploads_in
from damage_tasks.sqs.celery_message import PLAIN_JSON_TYPE, Json, celery_message
from damage_tasks.sqs.compact_message import read_request
from damage_tasks.sqs.inspection_options import (
    MESSAGE_ID,
    OPTIONS_KEY,
    PROBLEM,
    carried_headers,
    option_headers,
)
from damage_tasks.sqs.rejection_id import rejection_id
from damage_tasks.sqs.task_names import (
    ARGUMENTS,
    DETECT_DAMAGE,
    MAX_RETRIES,
    RECORD_MALFORMED,
    is_task_id,
)
from damage_tasks.sqs.trace_headers import TRACE_HEADERS, kept_headers, with_trace
from damage_tasks.sqs.upload_messages import message_of_event

KEPT_HEADERS = (
    "lang", "root_id", "parent_id", "argsrepr", "kwargsrepr", "origin", PROBLEM, *TRACE_HEADERS,
)  # fmt: skip
# Nested lists: Python itself fails near 1000 levels, each time in a different place.
MAX_DEPTH = 100

# Characters of a malformed body that are kept.
MAX_BODY_CHARACTERS = 4096


def translate(
    text: str, message_id: str, queue: str, trace: Json | None = None, *, compact: bool = False
) -> Json:
    """The Celery message (protocol 2, in the format of kombu's virtual transports) for a body.

    ``text`` is the SQS body, of a compact message if ``compact``, and ``trace`` has the trace
    headers of the message's attributes, which count unless the body has its own.  Raises only
    `ExtraMissing`, where protobuf is not installed to read a compact message.  A message that
    cannot be executed keeps the id that its sender waits for, if it has one.  Only the parts of a
    Celery message that a photo needs are kept: its sender can set neither time limits, nor an ETA,
    nor further tasks to call.  Its expiry time becomes the photo's deadline.
    """
    return with_trace(_message(text, message_id, queue, compact), trace or {})


def _message(text: str, message_id: str, queue: str, compact: bool) -> Json:
    payload = problem = None
    try:
        if compact:
            payload = read_request(text)
            return _compact(payload, message_id, queue)
        payload = _parse(text)
        found = _celery(payload, message_id, queue) or _raw(payload, message_id, queue)
        found = found or message_of_event(payload, message_id, queue)
        if found is not None:
            return found
    except ValueError as error:
        problem = str(error)
    task_id = rejection_id(payload) or message_id
    headers = {MESSAGE_ID: message_id, **({PROBLEM: problem} if problem else {})}
    body = text[:MAX_BODY_CHARACTERS]
    return celery_message(RECORD_MALFORMED, [body], {}, task_id, queue, headers)


def is_ignored(text: str) -> bool:
    """Whether a body is an S3 event that announces no photo, such as S3's test event."""
    if not may_be_s3_event(text):
        return False
    try:
        return uploads_in(json.loads(text)) == []
    except (ValueError, RecursionError):
        return False


def _raw(payload: Any, message_id: str, queue: str) -> Json | None:
    """The message for plain JSON with an ``image_url``; `ValueError` if an option is wrong."""
    if not isinstance(payload, dict) or not isinstance(payload.get("image_url"), str):
        return None
    metadata = {
        key: value for key, value in payload.items() if key not in ("image_url", OPTIONS_KEY)
    }
    options = payload.get(OPTIONS_KEY, {})
    return _request(payload["image_url"], metadata, options, message_id, queue)


def _compact(payload: Json, message_id: str, queue: str) -> Json:
    """The message for a compact request; `ValueError` without a URL or if an option is wrong."""
    if not payload["image_url"]:
        raise ValueError("the InspectionRequest has no image_url")
    return _request(
        payload["image_url"], payload["metadata"], payload[OPTIONS_KEY], message_id, queue
    )


def _request(url: str, metadata: Json, options: Any, message_id: str, queue: str) -> Json:
    own_id, option_values = option_headers(options)
    # A sender that can set no attributes may send its trace in the body.
    headers = {"headers": kept_headers(metadata), **option_values, MESSAGE_ID: message_id}
    return celery_message(DETECT_DAMAGE, [url, metadata], {}, own_id or message_id, queue, headers)


def _parse(text: str | bytes) -> Any:
    """The JSON value in ``text``; None if it is invalid or nested too deeply."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    return None


def _celery(payload: Any, message_id: str, queue: str) -> Json | None:
    """The message sent by Celery itself, if it and its arguments are valid."""
    try:
        headers, properties = payload["headers"], payload["properties"]
        task, task_id, retries = headers["task"], headers["id"], headers.get("retries") or 0
        if task not in ARGUMENTS or not is_task_id(task_id):
            return None
        if type(retries) is not int or not 0 <= retries <= MAX_RETRIES:
            return None
        if payload["content-type"] not in ("application/json", PLAIN_JSON_TYPE):
            return None
        if properties["body_encoding"] != "base64":
            return None
        args, kwargs, _ = _parse(base64.b64decode(payload["body"], validate=True))
        if not _can_be_called(task, args, kwargs):
            return None
        kept = {**_kept(headers), **carried_headers(headers, message_id)}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return celery_message(task, args, kwargs, task_id, queue, {**kept, "retries": retries})


def _can_be_called(task: str, args: Any, kwargs: Any) -> bool:
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        return False
    names = ARGUMENTS[task]
    given = [*names[: len(args)], *kwargs]
    if len(args) > len(names) or len(set(given)) < len(given) or not {*given} <= {*names}:
        return False
    if task == RECORD_MALFORMED:
        (body,) = [*args, *kwargs.values()] or [None]
        return isinstance(body, str) and len(body) <= MAX_BODY_CHARACTERS
    return names[0] in given


def _kept(headers: Json) -> Json:
    """The headers that carry a trace, name the sender or are our own; we set all others."""
    inner = headers.get("headers")
    kept = kept_headers(headers, KEPT_HEADERS)
    if isinstance(inner, dict):
        kept["headers"] = kept_headers(inner)
    return kept
