"""Messages are deleted in batches, promptly, and before the worker ends."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from damage_tasks.sqs.batches import MAX_BATCH_ENTRIES
from damage_tasks.sqs.deletions import Deletions
from damage_tasks.sqs.queues import read_queue
from tests.integration.delivery.stage import wait_until


class Calls:
    """Wraps SQS; the first call waits until it is released."""

    def __init__(self, answer: list[str] | Exception) -> None:
        self.answer = answer
        self.batches: list[list[str]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, receipts: list[str]) -> list[str]:
        self.batches.append(receipts)
        self.begun.set()
        self.go_on.wait(30)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_waiting_messages_are_deleted_ten_at_a_time() -> None:
    calls = Calls([])
    deletions = Deletions(calls)
    deletions.add("first")
    assert calls.begun.wait(30)
    receipts = [str(number) for number in range(25)]
    for receipt in receipts:
        deletions.add(receipt)
    calls.go_on.set()
    deletions.close()
    assert calls.batches[0] == ["first"]
    assert [receipt for batch in calls.batches[1:] for receipt in batch] == receipts
    assert [len(batch) for batch in calls.batches[1:]] == [MAX_BATCH_ENTRIES, MAX_BATCH_ENTRIES, 5]


@pytest.mark.parametrize(
    "answer",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": "not yours"}}, "Delete"),
        ["not yours"],
        OSError("not yours"),
    ],
    ids=["refused", "in part", "away"],
)
def test_a_failed_deletion_is_logged_and_the_next_is_attempted(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls(answer)
    calls.go_on.set()
    deletions = Deletions(calls)
    with caplog.at_level(logging.ERROR):
        deletions.add("a")
        wait_until(lambda: "not yours" in caplog.text)
        deletions.add("b")
        deletions.close()
    assert calls.batches == [["a"], ["b"]]
    assert "redelivered" in caplog.text


def test_acknowledged_messages_are_deleted_in_batches(
    channel: Any, queue_url: str, aws: Any
) -> None:
    sqs = aws.client("sqs")
    (name,) = channel.predefined_queues
    for number in range(12):
        sqs.send_message(QueueUrl=queue_url, MessageBody=f'{{"image_url": "https://x/{number}"}}')
    tags = [channel.basic_get(name).delivery_tag for _ in range(12)]
    requests: list[str] = []
    channel.sqs(queue=name).meta.events.register(
        "before-call.sqs", lambda model, **_: requests.append(model.name)
    )
    for tag in tags:
        channel.basic_ack(tag)
    channel.close()
    assert requests == ["DeleteMessageBatch", "DeleteMessageBatch"]


def test_acknowledged_messages_are_gone_when_the_channel_is_closed(
    channel: Any, queue_url: str, aws: Any
) -> None:
    sqs = aws.client("sqs")
    for number in range(12):
        sqs.send_message(QueueUrl=queue_url, MessageBody=f'{{"image_url": "https://x/{number}"}}')
    (name,) = channel.predefined_queues
    for _ in range(12):
        message = channel.basic_get(name)
        channel.basic_ack(message.delivery_tag)
    channel.close()
    assert read_queue(sqs, queue_url).messages == 0


def test_nothing_is_left_when_the_process_ends() -> None:
    program = (
        "from damage_tasks.sqs.deletions import Deletions\n"
        "deletions = Deletions(lambda receipts: print(receipts, flush=True) or {})\n"
        "deletions.add('last')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['last']\n"
