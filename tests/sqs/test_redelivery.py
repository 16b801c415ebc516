"""A rejected message is retried by SQS, and moves to the dead letters at last."""

from __future__ import annotations

import time
from typing import Any

import pytest

from damage_tasks.sqs.queues import read_queue
from damage_tasks.sqs.redelivery import FIRST_REDELIVERY_SECONDS
from damage_tasks.sqs.transport import Channel


@pytest.fixture
def message(channel: Channel, queue_url: str, aws: Any) -> Any:
    """A message that ``channel`` has received."""
    aws.client("sqs").send_message(QueueUrl=queue_url, MessageBody='{"image_url": "https://x/y"}')
    (name,) = channel.predefined_queues
    received = channel.basic_get(name)
    assert received is not None
    return received


def test_a_rejected_message_is_retried_after_a_pause(channel: Channel, message: Any) -> None:
    channel.basic_reject(message.delivery_tag)
    pause = message.delivery_info["visible_at"] - time.time()
    assert 0 < pause <= FIRST_REDELIVERY_SECONDS


@pytest.mark.parametrize("requeue", [True, False])
def test_a_message_that_was_handed_back_can_still_be_rejected(
    channel: Channel, message: Any, requeue: bool
) -> None:
    channel.hand_back([message.delivery_tag])
    channel.basic_reject(message.delivery_tag, requeue=requeue)
    (name,) = channel.predefined_queues
    assert channel.basic_get(name) is not None


def test_a_rejected_message_is_not_deleted_even_without_a_redrive_policy(
    channel: Channel, queue_url: str, aws: Any
) -> None:
    # As after an operator removed it: kombu would delete a message without a dead-letter queue.
    sqs = aws.client("sqs")
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"RedrivePolicy": ""})
    sqs.send_message(QueueUrl=queue_url, MessageBody='{"image_url": "https://x/y.jpg"}')
    (name,) = channel.predefined_queues
    message = channel.basic_get(name)
    assert message is not None
    channel.basic_reject(message.delivery_tag)
    assert read_queue(sqs, queue_url).in_flight == 1
