"""The options of a call travel as headers of its message."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from celery import group
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import TracerProvider

from damage_tasks import detect_damage, submit_many
from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.sqs.outgoing_compact import compact_message
from damage_tasks.sqs.trace_headers import trace_of_sqs_message
from tests.integration.conftest import use

URL = "https://photos.example/car.jpg"
Call = Callable[[], Any]


@pytest.fixture
def sent_by(aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[Call], list[Any]]:
    """The headers of the messages that a call puts on the queue."""
    url = aws.create_queues(f"queue-{uuid.uuid4().hex[:8]}")
    use(SimpleNamespace(environment={"DAMAGE_QUEUE_URL": url}), monkeypatch)  # type: ignore[arg-type]

    def send(call: Call) -> list[Any]:
        call()
        found = aws.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(base64.b64decode(each["Body"]))["headers"] for each in found["Messages"]]

    return send


def test_every_way_to_call_carries_the_options(sent_by: Callable[[Call], list[Any]]) -> None:
    deadline = datetime(2026, 12, 31, 12, tzinfo=UTC)
    options: Any = {"id": "rental-7/1", "case_id": "rental-7", "deadline": deadline,
                    "callback_url": "https://rental.example/done"}  # fmt: skip
    ways: list[Call] = [
        lambda: detect_damage.delay(URL, {"car_id": 7}, inspection=options),
        lambda: detect_damage.apply_async((URL,), inspection=options),
        lambda: detect_damage.apply_async(kwargs={"url": URL}, inspection=options),
        lambda: detect_damage.s(URL).set(inspection=options).delay(),
        lambda: detect_damage.s(URL).apply_async(inspection=options),
    ]
    for way in ways:
        (headers,) = sent_by(way)
        assert headers["id"] == "rental-7/1"
        assert headers["own_id"] is True
        assert headers["case_id"] == "rental-7"
        assert headers["deadline"] == "2026-12-31T12:00:00+00:00"
        assert headers["callback_url"] == "https://rental.example/done"


def test_only_an_id_that_the_caller_chose_is_its_own(
    sent_by: Callable[[Call], list[Any]],
) -> None:
    (headers,) = sent_by(lambda: detect_damage.apply_async((URL,), task_id="mine"))
    assert headers["own_id"] is True
    plain = sent_by(lambda: detect_damage.delay(URL))
    plain += sent_by(lambda: group(detect_damage.s(URL), detect_damage.s(URL)).delay())
    assert len(plain) == 3
    assert not any("own_id" in headers for headers in plain)


def test_a_callers_own_headers_stay(sent_by: Callable[[Call], list[Any]]) -> None:
    (headers,) = sent_by(
        lambda: detect_damage.apply_async(
            (URL,), headers={"sentry-trace": "a-b-1"}, inspection={"case_id": "c"}
        )
    )
    assert (headers["sentry-trace"], headers["case_id"]) == ("a-b-1", "c")


@pytest.fixture
def traceparent() -> Iterator[str]:
    """The ``traceparent`` of this process's current span; it also has baggage."""
    token = context.attach(baggage.set_baggage("tenant", "7"))
    with TracerProvider().get_tracer("a caller").start_as_current_span("a return") as span:
        ids = span.get_span_context()
        yield f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{ids.trace_flags:02x}"
    context.detach(token)


def test_every_way_to_call_carries_the_current_trace(
    sent_by: Callable[[Call], list[Any]], traceparent: str
) -> None:
    ways: list[Call] = [
        lambda: detect_damage.delay(URL, inspection={"case_id": "rental-7"}),
        lambda: detect_damage.s(URL).delay(),
        lambda: list(submit_many([URL])),
    ]
    for way in ways:
        (headers,) = sent_by(way)
        assert (headers["traceparent"], headers["baggage"]) == (traceparent, "tenant=7")
    theirs = {"traceparent": traceparent[::-1]}
    (headers,) = sent_by(lambda: detect_damage.apply_async((URL,), headers=theirs))
    assert headers["traceparent"] == traceparent[::-1]


def test_a_compact_message_carries_it_in_attributes(traceparent: str) -> None:
    attributes = compact_message((URL,), None, {}).entry["MessageAttributes"]
    assert trace_of_sqs_message({"MessageAttributes": attributes}) == {
        "traceparent": traceparent, "baggage": "tenant=7",
    }  # fmt: skip
