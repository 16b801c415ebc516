"""What a retry's message takes over from the message before."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from damage_tasks import tasks
from damage_tasks.attempt_state import Attempt
from damage_tasks.errors import StorageUnavailable
from damage_tasks.sqs.message_attributes import lane_of, sent_at


class Task:
    """Records how it is sent again."""

    def __init__(self) -> None:
        self.app = None
        self.request = SimpleNamespace(retries=0, id="photo-1", headers={}, properties={})
        self.sent: dict[str, Any] = {}

    def retry(self, **options: Any) -> None:
        self.sent = options


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    runtime = SimpleNamespace(settings=SimpleNamespace(retry_base=1.0))
    monkeypatch.setattr(tasks, "runtime_of", lambda app: runtime)
    return Task()


def test_a_retry_keeps_the_time_of_the_first_message(task: Any) -> None:
    attempt = Attempt("photo-1", "https://x/y.jpg", sent_at=1.5e9)
    tasks.try_again(task, StorageUnavailable("s3"), attempt)
    assert task.sent["headers"]["first_sent"] == 1.5e9


def test_a_call_without_a_queue_has_no_such_time(task: Any) -> None:
    attempt = Attempt("photo-1", "https://x/y.jpg")
    assert attempt.seconds_since_sent is None
    tasks.try_again(task, StorageUnavailable("s3"), attempt)
    assert "first_sent" not in task.sent["headers"]


def test_the_time_and_the_lane_come_from_sqs() -> None:
    sent = time.time() - 30
    message = {"Attributes": {"SentTimestamp": str(int(sent * 1000))}}
    properties = {"delivery_info": {"routing_key": "urgent", "sqs_message": message}}
    attempt = Attempt("1", "https://x/y.jpg", sent_at=sent_at(properties), lane=lane_of(properties))
    assert attempt.seconds_since_sent == pytest.approx(30, abs=5)
    assert attempt.lane == "urgent"
    assert lane_of({"delivery_info": {"routing_key": "damage"}}) == "bulk"
