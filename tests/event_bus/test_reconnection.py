"""A lost event bus is retried after growing waits, until the listener is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from damage_tasks.event_bus.reconnection import Backoff, keep_connected


def test_waits_double_up_to_the_maximum_and_start_again_after_success() -> None:
    backoff = Backoff(5.0)
    assert [backoff.next_wait() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next_wait() == 1


class Stopped(threading.Event):
    """Records waits instead of waiting; is set after the third."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        if len(self.waits) == 3:
            self.set()
        return self.is_set()


def test_every_attempt_that_fails_is_logged_and_repeated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stopped = Stopped()

    def listen(connected: Callable[[], None]) -> None:
        if len(stopped.waits) == 2:
            connected()
        raise OSError("redis://:secret@bus: connection refused")

    keep_connected(listen, stopped, name="Flower", max_wait_seconds=30)
    assert stopped.waits == [1, 2, 1]
    assert "Flower lost the event bus; next attempt in 2 s" in caplog.text
    assert "secret" not in caplog.text


def test_an_error_of_a_stopped_listener_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    stopped = Stopped()

    def listen(_: Callable[[], None]) -> None:
        stopped.set()
        raise OSError("the connection was closed")

    keep_connected(listen, stopped, name="remote control", max_wait_seconds=30)
    assert caplog.text == ""
    assert stopped.waits == []
