"""A failing deferred command is logged; a shutdown is not suppressed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from celery.exceptions import WorkerShutdown

from damage_tasks.worker.consumer import Consumer


class Loop:
    """Collects what is deferred, as kombu's hub does."""

    def __init__(self) -> None:
        self.deferred: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.deferred.append(callback)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def consumer(loop: Loop) -> Consumer:
    """A consumer with nothing but a main loop."""
    consumer = Consumer.__new__(Consumer)
    consumer.hub = loop
    return consumer


def test_an_error_of_a_deferred_command_does_not_reach_the_main_loop(
    consumer: Consumer, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(queue: str) -> None:
        raise KeyError(f"no queue {queue}: https://photos.example/car.jpg?Signature=hunter2")

    consumer.call_soon(fail, "other")
    loop.deferred[0]()
    assert "a deferred command failed" in caplog.text
    assert "hunter2" not in caplog.messages[0]


def test_a_shutdown_ends_the_worker(consumer: Consumer, loop: Loop) -> None:
    def stop() -> None:
        raise WorkerShutdown(0)

    consumer.call_soon(stop)
    with pytest.raises(WorkerShutdown):
        loop.deferred[0]()
