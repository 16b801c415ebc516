"""Messages in hand stay invisible to others."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from damage_tasks.sqs import visibility
from damage_tasks.sqs.queues import MARGIN
from damage_tasks.sqs.visibility import extend, hand_back, queue_visibility_timeout


def channel_holding(aws: Any, queue_url: str, tags: list[str], dirty: set[str]) -> Any:
    sqs = aws.client("sqs")
    message = SimpleNamespace(
        delivery_info={"sqs_queue": queue_url}, properties={"correlation_id": "photo-1"}
    )
    return SimpleNamespace(
        predefined_queues={"damage": {"url": queue_url}},
        sqs=lambda queue: sqs,
        qos=SimpleNamespace(_delivered=dict.fromkeys(tags, message), _dirty=dirty),
    )


def receive(aws: Any, queue_url: str, count: int = 10, visible_after: int = 1) -> list[str]:
    answer = aws.client("sqs").receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=count, VisibilityTimeout=visible_after
    )
    return [message["ReceiptHandle"] for message in answer.get("Messages", [])]


def test_the_queues_own_timeout_counts(aws: Any, queue_url: str) -> None:
    assert queue_visibility_timeout(channel_holding(aws, queue_url, [], set())) == 180


def test_held_messages_are_extended_and_finished_ones_are_not(aws: Any, queue_url: str) -> None:
    for _ in range(12):
        aws.client("sqs").send_message(QueueUrl=queue_url, MessageBody="x")
    tags: list[str] = []
    while len(tags) < 12:
        tags += receive(aws, queue_url, visible_after=2)
    extend(channel_holding(aws, queue_url, tags, {tags[0]}), 60, limit=90)
    time.sleep(2.2)
    assert len(receive(aws, queue_url)) == 1


def test_what_hangs_beyond_its_time_limit_is_let_go(
    aws: Any, queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        aws.client("sqs").send_message(QueueUrl=queue_url, MessageBody="x")
    tags: list[str] = []
    while len(tags) < 2:
        tags += receive(aws, queue_url, visible_after=2)
    hung = SimpleNamespace(
        message=SimpleNamespace(delivery_tag=tags[0]), time_start=time.time() - 90 - MARGIN - 1
    )
    monkeypatch.setattr(visibility.state, "active_requests", [hung])
    extend(channel_holding(aws, queue_url, tags, set()), 60, limit=90)
    time.sleep(2.2)
    assert len(receive(aws, queue_url)) == 1


def test_what_nobody_has_begun_is_visible_at_once(
    aws: Any, queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(12):
        aws.client("sqs").send_message(QueueUrl=queue_url, MessageBody="x")
    tags: list[str] = []
    while len(tags) < 12:
        tags += receive(aws, queue_url, visible_after=60)
    begun = SimpleNamespace(message=SimpleNamespace(delivery_tag=tags[0]))
    monkeypatch.setattr(visibility.state, "active_requests", [begun])
    channel = channel_holding(aws, queue_url, tags, {tags[1]})
    hand_back(channel)
    assert {*channel.qos._delivered} == {tags[0], tags[1]}
    found: list[str] = []
    while more := receive(aws, queue_url, visible_after=60):
        found += more
    assert len(found) == 10
