"""A worker's messages stay invisible to other workers."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state

from damage_tasks.sqs.message_attributes import VISIBILITY_MARGIN_SECONDS
from damage_tasks.sqs.transport import Channel
from damage_tasks.sqs.visibility import extend, hand_back_unstarted


def take(channel: Channel, aws: Any, queue_url: str, count: int) -> list[str]:
    """Send ``count`` photos and receive them with ``channel``; returns their delivery tags."""
    sqs = aws.client("sqs")
    for number in range(count):
        sqs.send_message(QueueUrl=queue_url, MessageBody=f'{{"image_url": "https://x/{number}"}}')
    (name,) = channel.predefined_queues
    while len(channel.unacknowledged()) < count:
        channel.basic_get(name)
    return list(channel.unacknowledged())


def visible(aws: Any, queue_url: str) -> int:
    """The number of messages that another worker would receive now."""
    found: set[str] = set()
    while (
        messages := aws.client("sqs")
        .receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=60)
        .get("Messages")
    ):
        found |= {message["MessageId"] for message in messages}
    return len(found)


def request(tag: str, age: float = 0.0) -> Any:
    """A photo that a process has been examining for ``age`` seconds."""
    return SimpleNamespace(message=SimpleNamespace(delivery_tag=tag), time_start=time.time() - age)


def test_the_queues_own_timeout_counts(channel: Channel) -> None:
    assert channel.queue_visibility_timeout() == 180


def test_the_shortest_timeout_of_several_queues_counts(
    lanes: Channel, urgent_url: str, aws: Any
) -> None:
    aws.client("sqs").set_queue_attributes(
        QueueUrl=urgent_url, Attributes={"VisibilityTimeout": "120"}
    )
    assert lanes.queue_visibility_timeout() == 120


def test_messages_of_several_queues_are_hidden_and_handed_back_each_in_its_own(
    lanes: Channel, queue_url: str, urgent_url: str, aws: Any
) -> None:
    sqs = aws.client("sqs")
    for name, url in (("bulk", queue_url), ("urgent", urgent_url)):
        sqs.send_message(QueueUrl=url, MessageBody='{"image_url": "https://x/y"}')
        lanes.basic_get(name)
    lanes.hide(list(lanes.unacknowledged()), 2)
    extend(lanes, 60, limit=90)
    time.sleep(2.2)
    assert (visible(aws, queue_url), visible(aws, urgent_url)) == (0, 0)
    hand_back_unstarted(lanes)
    assert (visible(aws, queue_url), visible(aws, urgent_url)) == (1, 1)


def test_held_messages_are_extended_and_finished_ones_are_not(
    channel: Channel, queue_url: str, aws: Any
) -> None:
    tags = take(channel, aws, queue_url, 12)
    channel.hide(tags, 2)
    channel.qos.ack(tags[0])
    extend(channel, 60, limit=90)
    time.sleep(2.2)
    assert visible(aws, queue_url) == 1


def test_a_photo_that_hangs_beyond_its_time_limit_is_released(
    channel: Channel, queue_url: str, aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = take(channel, aws, queue_url, 2)
    channel.hide(tags, 2)
    monkeypatch.setattr(
        state, "active_requests", [request(tags[0], 90 + VISIBILITY_MARGIN_SECONDS + 1)]
    )
    extend(channel, 60, limit=90)
    time.sleep(2.2)
    assert visible(aws, queue_url) == 1


def test_what_nobody_has_begun_is_visible_at_once(
    channel: Channel, queue_url: str, aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = take(channel, aws, queue_url, 12)
    channel.qos.ack(tags[1])
    monkeypatch.setattr(state, "active_requests", [request(tags[0])])
    hand_back_unstarted(channel)
    assert list(channel.unacknowledged()) == [tags[0]]
    assert visible(aws, queue_url) == 10


def test_a_process_lost_after_its_photo_was_handed_back_changes_nothing(
    channel: Channel, queue_url: str, aws: Any
) -> None:
    (tag,) = take(channel, aws, queue_url, 1)
    channel.hand_back([tag])
    # As Celery does when it notices that the process has ended.
    channel.basic_reject(tag, requeue=True)
    assert visible(aws, queue_url) == 1
