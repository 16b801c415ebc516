"""Failed polls of SQS are repeated with back-off."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from kombu.asynchronous.hub import Hub

from damage_tasks.sqs.guarded_polls import FailedPoll
from damage_tasks.sqs.transport import MAX_POLL_BACKOFF_SECONDS, Channel


class Pauses(Hub):
    """Notes in ``seconds`` how long each scheduled call would wait, and calls none."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def call_later(self, delay: float, *_: Any) -> None:
        self.seconds.append(delay)

    def call_soon(self, *_: Any) -> None:
        self.seconds.append(0.0)


Answer = Callable[[Callable[..., Any]], None]


@pytest.fixture
def poll(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], float]:
    """Polls once, to which SQS's connection answers by ``answer``; returns the pause after it."""
    (name,) = channel.predefined_queues
    channel._active_queues.append(name)

    def once(answer: Answer) -> float:
        connection = SimpleNamespace(receive_message=lambda *_, callback, **__: answer(callback))
        monkeypatch.setattr(channel, "asynsqs", lambda **_: connection)
        channel.hub = pauses = Pauses()
        channel._schedule_queue(name)
        (pause,) = pauses.seconds
        return pause

    return once


def unavailable(callback: Callable[..., Any]) -> None:
    callback(FailedPoll(503, "ServiceUnavailable"))


def without_credentials(callback: Callable[..., Any]) -> None:
    raise NoCredentialsError


def empty(callback: Callable[..., Any]) -> None:
    callback({"Messages": []})


def test_failed_polls_are_repeated_with_growing_pauses(poll: Callable[[Answer], float]) -> None:
    pauses = [poll(unavailable) for _ in range(8)]
    for number, pause in enumerate(pauses):
        longest = min(MAX_POLL_BACKOFF_SECONDS, 2.0**number)
        assert longest / 2 <= pause <= longest


def test_a_poll_that_succeeds_ends_the_pauses(poll: Callable[[Answer], float]) -> None:
    after_success = poll(empty)
    for _ in range(6):
        poll(unavailable)
    assert poll(empty) == after_success


def test_a_poll_without_credentials_is_repeated(
    poll: Callable[[Answer], float], caplog: pytest.LogCaptureFixture
) -> None:
    assert 0.5 <= poll(without_credentials) <= 1
    assert "Unable to locate credentials" in caplog.text
