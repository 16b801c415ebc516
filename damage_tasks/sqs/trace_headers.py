"""The trace of a photo's sender, read from a message's headers and SQS attributes.

Retries, replays of dead letters and the messages of an S3 event's photos keep it.
"""

from __future__ import annotations

import re
from typing import Any

from damage_tasks.sqs.celery_message import Json

TRACEPARENT = "traceparent"  # https://www.w3.org/TR/trace-context/
TRACE_HEADERS = (TRACEPARENT, "tracestate", "baggage", "sentry-trace")
AWS_TRACE_HEADER = "AWSTraceHeader"  # a system attribute, which X-Ray sets
MAX_HEADER_CHARACTERS = 8192  # characters of a header that are kept

_XRAY_ROOT = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


def kept_headers(headers: Json, names: tuple[str, ...] = TRACE_HEADERS) -> Json:
    """Those of ``headers`` that have one of ``names`` and are text, cut to the permitted length."""
    return {
        name: headers[name][:MAX_HEADER_CHARACTERS]
        for name in names
        if isinstance(headers.get(name), str)
    }


def trace_of_sqs_message(message: Json) -> Json:
    """The trace headers in the attributes of ``message``, as ReceiveMessage returns it.

    X-Ray's system attribute counts only if there is no ``traceparent``.
    """
    attributes = _object(message.get("MessageAttributes"))
    texts = {name: _object(value).get("StringValue") for name, value in attributes.items()}
    trace = kept_headers(texts)
    xray = _object(message.get("Attributes")).get(AWS_TRACE_HEADER)
    if TRACEPARENT not in trace and (traceparent := traceparent_of_xray(xray)):
        trace[TRACEPARENT] = traceparent
    return trace


def traceparent_of_xray(header: Any) -> str | None:
    """The ``traceparent`` for X-Ray's ``Root=1-...;Parent=...;Sampled=1``; None if it has none."""
    if not isinstance(header, str):
        return None
    pairs = (field.strip().partition("=") for field in header.split(";"))
    fields = {name: value for name, _, value in pairs}
    root = _XRAY_ROOT.fullmatch(fields.get("Root", ""))
    parent = _SPAN_ID.fullmatch(fields.get("Parent", ""))
    if root is None or parent is None:
        return None
    # Without a decision of its sender ("?"), the trace is recorded as far as the sampler decides.
    flags = "00" if fields.get("Sampled") == "0" else "01"
    return f"00-{root[1]}{root[2]}-{parent[0]}-{flags}"


def with_trace(message: Json, trace: Json) -> Json:
    """The Celery ``message``, which also has the headers in ``trace`` that it lacks."""
    if not trace:
        return message
    headers = message["headers"]
    own = {**kept_headers(headers), **kept_headers(headers.get("headers") or {})}
    if TRACEPARENT in own:
        # A `tracestate` belongs to the `traceparent` with which it was sent.
        trace = {name: trace[name] for name in trace if name not in (TRACEPARENT, "tracestate")}
    # Celery's tasks read the inner headers, if there are any.
    return {**message, "headers": {**headers, "headers": {**trace, **own}}}


def as_attributes(trace: Json) -> Json:
    """``trace`` as the attributes of an SQS message."""
    return {name: {"DataType": "String", "StringValue": trace[name]} for name in trace}


def trace_of(request: Any) -> Json:
    """The trace headers of the message for which Celery runs a task; ``request`` is the task's."""
    inner = kept_headers(request.headers or {})
    return {**inner, **kept_headers({name: getattr(request, name, None) for name in TRACE_HEADERS})}


def _object(value: Any) -> Json:
    # A proxy between us and SQS may answer with arbitrary JSON.
    return value if isinstance(value, dict) else {}
