"""The channel translates messages and survives failed polls."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest

from damage_tasks.sqs.compact_message import CONTENT_TYPE, write_request
from damage_tasks.sqs.transport import HELD_POLL_SECONDS, ROOM_CHECK_SECONDS, Channel, Transport

COMPACT = {"content_type": {"DataType": "String", "StringValue": CONTENT_TYPE}}


def receive(channel: Channel) -> Any:
    (name,) = channel.predefined_queues
    return channel._get(name)


@pytest.mark.parametrize("encode", [str, lambda text: base64.b64encode(text.encode()).decode()])
def test_a_plain_json_body_is_read_as_a_call(
    channel: Channel, queue_url: str, aws: Any, encode: Any
) -> None:
    body = json.dumps({"image_url": "https://x/ü.jpg", "car": 1})
    sent = aws.client("sqs").send_message(QueueUrl=queue_url, MessageBody=encode(body))
    message = receive(channel)
    assert message["headers"]["task"] == "detect_damage"
    assert message["headers"]["id"] == sent["MessageId"]
    assert message["properties"]["delivery_tag"]
    assert message["properties"]["delivery_info"]["sqs_queue"] == queue_url


def test_a_compact_body_is_read_as_a_call(channel: Channel, queue_url: str, aws: Any) -> None:
    # These bytes are also valid UTF-8, which kombu would decode.
    body = write_request("https://x/y.jpg", {"car": "1"}, {})
    assert base64.b64decode(body).decode()
    sent = aws.client("sqs").send_message(
        QueueUrl=queue_url, MessageBody=body, MessageAttributes=COMPACT
    )
    message = receive(channel)
    assert message["headers"]["task"] == "detect_damage"
    assert message["headers"]["id"] == sent["MessageId"]


@pytest.mark.parametrize("failure", [[], None, b""])
def test_a_failed_poll_is_not_a_message(channel: Channel, queue_url: str, failure: Any) -> None:
    # Stock kombu 5.7.0 raises here, which ends the worker.
    assert channel._on_messages_ready(queue_url, "damage", failure) == 0


@pytest.mark.parametrize(
    "answer",
    [{}, {"Messages": None}, {"Messages": ["x", None]}, {"Messages": [{}]},
     {"Messages": [{"Body": 7, "MessageId": "m", "ReceiptHandle": "r"}]}],
    ids=str,
)  # fmt: skip
def test_an_answer_that_only_looks_like_a_message_is_dropped(
    channel: Channel, queue_url: str, answer: Any
) -> None:
    channel.connection._callbacks[queue_url.rpartition("/")[2]] = pytest.fail
    (name,) = channel.predefined_queues
    assert channel._on_messages_ready(queue_url, name, answer) == 0
    assert channel.polled_at(name) is not None


@pytest.mark.parametrize("body", ["\ud800", '{"image_url": "\ud800"}', "\0", "\ufeff[]"])
def test_a_body_that_is_not_text_is_still_read(channel: Channel, queue_url: str, body: str) -> None:
    (name,) = channel.predefined_queues
    message = {"Body": body, "MessageId": "m", "ReceiptHandle": "r", "Attributes": {}}
    payload = channel._message_to_python(message, name, queue_url)
    assert payload["headers"]["id"] == "m"


@pytest.mark.parametrize(
    ("limit", "prefetch", "held", "room"),
    [(0, 4, 99, True), (4, 4, 2, True), (4, 4, 3, False), (12, 4, 7, True), (12, 4, 8, False),
     (2, 1, 1, True), (2, 1, 2, False), (1, 1, 0, True)],
)  # fmt: skip
def test_a_poll_is_due_when_half_of_what_may_wait_is_gone(
    channel: Channel, limit: int, prefetch: int, held: int, room: bool
) -> None:
    channel._prefetch = prefetch
    channel.basic_qos(0, limit, False)
    for number in range(held):
        channel.qos._delivered[str(number)] = object()
    (name,) = channel.predefined_queues
    assert channel.has_room(name) is room
    channel.qos._delivered.clear()


def test_a_full_worker_checks_again_soon_without_a_request(channel: Channel) -> None:
    later: list[float] = []
    (name,) = channel.predefined_queues
    channel._active_queues.append(name)
    channel.hub = SimpleNamespace(call_later=lambda seconds, *_: later.append(seconds))
    channel.basic_qos(0, 1, False)
    channel.qos._delivered["1"] = object()
    channel._schedule_queue(name)
    assert later == [ROOM_CHECK_SECONDS]
    channel.qos._delivered.clear()


@pytest.fixture
def polls(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queues that ``channel`` would have polled; delayed polls are in ``later``."""
    polled: list[str] = []

    def receive_message(queue: str, *_: Any, **__: Any) -> None:
        polled.append(queue)

    connection = SimpleNamespace(receive_message=receive_message)
    monkeypatch.setattr(channel, "asynsqs", lambda **_: connection)
    channel._active_queues.extend(channel.predefined_queues)
    return polled


@pytest.fixture
def later(channel: Channel) -> list[float]:
    """The pauses in seconds after which ``channel`` checks again."""
    pauses: list[float] = []
    channel.hub = SimpleNamespace(call_later=lambda seconds, *_: pauses.append(seconds))
    return pauses


def test_hooks_run_in_their_order_and_hold_back_a_poll(
    channel: Channel, polls: list[str], later: list[float]
) -> None:
    (name,) = channel.predefined_queues
    called: list[str] = []
    is_open = False

    def gate(_queue: str) -> bool:
        called.append("gate")
        return is_open

    def watcher(_queue: str) -> bool:
        called.append("watcher")
        return True

    channel.before_poll(gate)
    channel.before_poll(watcher)
    channel._schedule_queue(name)
    assert (called, polls, later) == (["gate"], [], [HELD_POLL_SECONDS])
    is_open = True
    channel._schedule_queue(name)
    assert (called, polls) == (["gate", "gate", "watcher"], [name])


def test_a_hook_that_fails_does_not_stop_the_polling(
    channel: Channel, polls: list[str], later: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    (name,) = channel.predefined_queues

    def broken(_queue: str) -> bool:
        raise RuntimeError("no heartbeat today")

    channel.before_poll(broken)
    channel._schedule_queue(name)
    assert polls == [name]
    assert "no heartbeat today" in caplog.text


def test_a_queue_that_is_no_longer_consumed_is_not_polled(
    channel: Channel, polls: list[str], later: list[float]
) -> None:
    (name,) = channel.predefined_queues
    channel.before_poll(lambda queue: pytest.fail(f"called for {queue}"))
    channel._active_queues.clear()
    channel._schedule_queue(name)
    assert (polls, later) == ([], [])


def test_the_transport_opens_our_channel(channel: Any) -> None:
    assert isinstance(channel, Channel)


def test_a_full_worker_still_polls_its_urgent_queue_for_a_single_photo(
    lanes: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls: list[tuple[str, int]] = []
    monkeypatch.setattr(lanes, "_get_async", lambda name, count, **_: polls.append((name, count)))
    later: list[float] = []
    lanes.hub = SimpleNamespace(call_later=lambda seconds, *_: later.append(seconds))
    lanes._active_queues.extend(lanes.predefined_queues)
    lanes.basic_qos(0, 4, False)
    for queue in lanes.predefined_queues:
        lanes._schedule_queue(queue)
    assert polls == [("bulk", 4), ("urgent", 1)]
    lanes.qos._delivered.update({str(number): object() for number in range(4)})
    for queue in lanes.predefined_queues:
        lanes._schedule_queue(queue)
    assert polls[2:] == [("urgent", 1)]
    assert later == [ROOM_CHECK_SECONDS]
    lanes.qos._delivered.clear()


def test_failed_polls_of_one_queue_leave_the_other_alone(lanes: Channel) -> None:
    lanes._on_messages_ready("url", "urgent", [])
    lanes._on_messages_ready("url", "bulk", {})
    assert lanes.polled_at("bulk") is not None
    assert lanes.polled_at("urgent") is None


def test_the_transport_still_counts_as_sqs() -> None:
    # Celery disables mingle and gossip because of this name.
    assert Transport.driver_type == "sqs"


def test_a_consumer_starts_while_sqs_is_unavailable(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # kombu queries the queue's size, and an exception of boto3 would then end the worker.
    monkeypatch.setattr(channel, "sqs", lambda *_, **__: pytest.fail("asked"))
    (name,) = channel.predefined_queues
    assert channel.queue_declare(name).queue == name
