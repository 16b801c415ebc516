"""Only the dead letters of photos that have a verdict are replayed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.inspection import Inspection, PhotoFacts, Reason, Verdict
from damage_tasks.results.store import Inspections
from damage_tasks.sqs.queues import dead_letter_queue, read_queue
from tools.chaos.dead_letter_replay import replay_letters_with_verdicts

VERDICTS = {
    "a": (Verdict.REJECTED, Reason("not_a_photo", "text")),
    "b": (Verdict.FAILED, Reason("worker_lost", "killed")),
}


@pytest.mark.server
def test_a_letter_whose_photo_has_a_verdict_returns_to_the_queue(
    aws: Emulator, migrated_postgres_url: str
) -> None:
    sqs = aws.client("sqs")
    queue = read_queue(sqs, aws.create_queues("replayed"))
    stack: Any = SimpleNamespace(
        client=aws.client,
        environment={"DAMAGE_QUEUE_URL": queue.url, "DAMAGE_DATABASE_URL": migrated_postgres_url},
    )
    store = Inspections(migrated_postgres_url)
    for id, (verdict, reason) in VERDICTS.items():
        now = datetime.now(UTC)
        store.save(
            Inspection(
                id=id, verdict=verdict, reason=reason, finished_at=now,
                photo_url="https://photos.example/1.jpg", photo=PhotoFacts(),
            )
        )  # fmt: skip
    store.close()
    dead = dead_letter_queue(sqs, queue)
    for id in ("a", "b", "c"):
        body = {"image_url": "https://photos.example/1.jpg", "inspection": {"id": id}}
        sqs.send_message(QueueUrl=dead.url, MessageBody=json.dumps(body))
    assert replay_letters_with_verdicts(stack) == 1
    (message,) = sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(message["Body"])["headers"]["id"] == "a"
    assert read_queue(sqs, dead.url).waiting == 2
