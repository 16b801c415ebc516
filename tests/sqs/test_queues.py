"""A queue that could lose or duplicate photos is rejected, naming the attribute to set."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.errors import QueueUnavailable, QueueUnsafe
from damage_tasks.settings import Settings
from damage_tasks.sqs.queues import check_queues, create_queues


@pytest.fixture
def url(aws: Emulator) -> str:
    return aws.create_queues(f"queue-{uuid.uuid4().hex[:8]}")


def check(aws: Emulator, url: str, **settings: Any) -> str:
    """The queue's problems, or an empty string."""
    try:
        check_queues(aws.client("sqs"), Settings(queue_url=url, **settings))
    except QueueUnsafe as error:
        return str(error)
    return ""


def change(aws: Emulator, url: str, **attributes: str) -> None:
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)


def test_what_the_command_makes_is_safe(aws: Emulator, url: str) -> None:
    assert check(aws, url) == ""


def test_an_unsafe_urgent_queue_is_named(aws: Emulator, url: str) -> None:
    urgent = aws.create_queues(f"urgent-{uuid.uuid4().hex[:8]}")
    assert check(aws, url, urgent_queue_url=urgent) == ""
    change(aws, urgent, VisibilityTimeout="99")
    assert check(aws, url, urgent_queue_url=urgent).startswith(urgent)


def test_a_visibility_timeout_below_the_time_limit_is_named(aws: Emulator, url: str) -> None:
    change(aws, url, VisibilityTimeout="99")
    assert "VisibilityTimeout is 99 s, but photos may take 90 s: set it to at least 100" in check(
        aws, url
    )
    assert check(aws, url, time_limit=80) == ""


def test_a_single_receive_is_named(aws: Emulator, url: str) -> None:
    found = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    policy = {**json.loads(found["Attributes"]["RedrivePolicy"]), "maxReceiveCount": 1}
    change(aws, url, RedrivePolicy=json.dumps(policy))
    assert "maxReceiveCount is 1: set it to 5" in check(aws, url)


def test_a_retention_that_ends_during_an_outage_is_named(aws: Emulator, url: str) -> None:
    change(aws, url, MessageRetentionPeriod="3600")
    assert "MessageRetentionPeriod is 3600 s: set it to 1209600" in check(aws, url)


def test_dead_letters_that_are_deleted_before_they_are_seen_are_named(
    aws: Emulator, url: str
) -> None:
    # SQS counts from the time when the message was first sent.
    change(aws, f"{url}-dead-letters", MessageRetentionPeriod="345600")
    assert "-dead-letters is 345600 s, shorter than the queue's own" in check(aws, url)


def test_a_queue_without_dead_letters_is_named(aws: Emulator) -> None:
    made = aws.client("sqs").create_queue(QueueName=f"queue-{uuid.uuid4().hex[:8]}")
    found = check(aws, made["QueueUrl"])
    assert "has no RedrivePolicy" in found
    assert "`damage-tasks queue create` corrects this" in found


def test_dead_letters_that_would_move_on_are_named(aws: Emulator, url: str) -> None:
    further = aws.create_queues(f"further-{uuid.uuid4().hex[:8]}")
    policy = aws.client("sqs").get_queue_attributes(
        QueueUrl=further, AttributeNames=["RedrivePolicy"]
    )["Attributes"]["RedrivePolicy"]
    change(aws, f"{url}-dead-letters", RedrivePolicy=policy)
    assert "-dead-letters: remove it, or listing dead letters moves them" in check(aws, url)


def test_a_fifo_queue_is_named(aws: Emulator) -> None:
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "180"}
    made = aws.client("sqs").create_queue(
        QueueName=f"{uuid.uuid4().hex[:8]}.fifo", Attributes=attributes
    )
    assert "is a FIFO queue" in check(aws, made["QueueUrl"])


def test_a_deleted_dead_letter_queue_does_not_count(aws: Emulator, url: str) -> None:
    aws.client("sqs").delete_queue(QueueUrl=f"{url}-dead-letters")
    with pytest.raises(QueueUnavailable, match="dead-letters"):
        check(aws, url)


def test_making_the_queues_again_sets_them_right(aws: Emulator, url: str) -> None:
    change(aws, url, VisibilityTimeout="1", MessageRetentionPeriod="60")
    assert create_queues(aws.client("sqs"), url.rpartition("/")[2], 180) == url
    assert check(aws, url) == ""
