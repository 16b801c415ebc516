"""A photo keeps the trace of its sender, however the sender sent it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from damage_tasks.sqs.envelope import translate
from damage_tasks.sqs.trace_headers import (
    MAX_HEADER_CHARACTERS,
    trace_of,
    trace_of_sqs_message,
    traceparent_of_xray,
    with_trace,
)
from damage_tasks.sqs.transport import Channel

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
OTHER_PARENT = f"00-{TRACE_ID[::-1]}-{SPAN_ID}-01"
XRAY = f"Root=1-{TRACE_ID[:8]}-{TRACE_ID[8:]};Parent={SPAN_ID};Sampled=1"
BODY = '{"image_url": "https://x/y.jpg"}'


def inner_headers(message: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = message["headers"]["headers"]
    return found


@pytest.mark.parametrize(
    ("header", "traceparent"),
    [
        (XRAY, PARENT),
        (f" Sampled=1; Parent={SPAN_ID}; Self=x; Root=1-{TRACE_ID[:8]}-{TRACE_ID[8:]}", PARENT),
        (XRAY.replace("Sampled=1", "Sampled=0"), PARENT.replace("-01", "-00")),
        (XRAY.replace("Sampled=1", "Sampled=?"), PARENT),
        (XRAY.replace(f"Parent={SPAN_ID};", ""), None),
        (XRAY.upper(), None),
        ("", None),
        ("Root", None),
        (None, None),
        (7, None),
    ],
)
def test_x_rays_header_becomes_a_traceparent(header: Any, traceparent: str | None) -> None:
    assert traceparent_of_xray(header) == traceparent


def test_the_channel_reads_the_trace_of_attributes(
    channel: Channel, queue_url: str, aws: Any
) -> None:
    def received(**attributes: Any) -> dict[str, Any]:
        aws.client("sqs").send_message(QueueUrl=queue_url, MessageBody=BODY, **attributes)
        (name,) = channel.predefined_queues
        return inner_headers(channel._get(name))

    def text(value: str) -> dict[str, str]:
        return {"DataType": "String", "StringValue": value}

    w3c = {"traceparent": text(PARENT), "tracestate": text("a=b"), "baggage": text("c=d")}
    xray = {"AWSTraceHeader": text(XRAY.replace(TRACE_ID[:8], "1" * 8))}
    assert received() == {}
    assert received(
        MessageAttributes={**w3c, "other": text("x")}, MessageSystemAttributes=xray
    ) == {
        "traceparent": PARENT,
        "tracestate": "a=b",
        "baggage": "c=d",
    }
    assert received(MessageSystemAttributes=xray) == {
        "traceparent": PARENT.replace(TRACE_ID[:8], "1" * 8)
    }


@pytest.mark.parametrize(
    "message",
    [{"MessageAttributes": ["x"], "Attributes": 7}, {"MessageAttributes": {"traceparent": "x"}},
     {"MessageAttributes": {"traceparent": {"BinaryValue": "eA=="}}}, {}],
    ids=str,
)  # fmt: skip
def test_attributes_of_another_kind_are_ignored(message: dict[str, Any]) -> None:
    assert trace_of_sqs_message(message) == {}


def test_a_long_attribute_is_cut() -> None:
    message = {"MessageAttributes": {"baggage": {"StringValue": "x" * 100_000}}}
    assert trace_of_sqs_message(message) == {"baggage": "x" * MAX_HEADER_CHARACTERS}


def test_the_trace_in_the_body_comes_first() -> None:
    body = json.dumps({"image_url": "https://x/y.jpg", "traceparent": PARENT})
    attributes = {"traceparent": OTHER_PARENT, "tracestate": "a=b", "sentry-trace": "c-d-1"}
    message = translate(body, "message-1", "damage", attributes)
    assert inner_headers(message) == {"traceparent": PARENT, "sentry-trace": "c-d-1"}
    # As it does when it is sent again.
    again = translate(json.dumps(message), "message-2", "damage", attributes)
    assert again == message


def test_a_trace_among_other_headers_of_a_celery_message_stays() -> None:
    message = translate(BODY, "message-1", "damage")
    del message["headers"]["headers"]
    message["headers"] |= {"traceparent": PARENT, "baggage": "a=b"}
    found = translate(json.dumps(message), "message-2", "damage", {"sentry-trace": "c-d-1"})
    assert inner_headers(found) == {
        "traceparent": PARENT, "baggage": "a=b", "sentry-trace": "c-d-1",
    }  # fmt: skip
    assert with_trace(message, {}) is message


def test_a_message_that_is_not_a_request_keeps_its_trace() -> None:
    message = translate("not json", "message-1", "damage", {"traceparent": PARENT})
    assert inner_headers(message) == {"traceparent": PARENT}


def test_a_task_finds_the_trace_in_either_place() -> None:
    request = SimpleNamespace(headers={"traceparent": OTHER_PARENT, "baggage": "a=b", "x": "y"})
    request.traceparent, request.tracestate = PARENT, None
    assert trace_of(request) == {"traceparent": PARENT, "baggage": "a=b"}
    assert trace_of(SimpleNamespace(headers=None)) == {}
