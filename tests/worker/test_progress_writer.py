"""Progress is written by a thread of the parent that never delays and never fails a photo."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from damage_tasks.errors import DatabaseUnavailable
from damage_tasks.inspection import Progress, Reason, State
from damage_tasks.worker.progress_writer import ProgressWriter

TAKEN = Progress("task-1", State.RUNNING, 1, datetime.now(UTC), 1, datetime.now(UTC))
FAILED = replace(TAKEN, state=State.RETRYING, reason=Reason("download_failed", "503"))


class Store:
    """What a writer has done, as (method, id, state)."""

    def __init__(
        self, error: Exception | None = None, hangs_until: threading.Event | None = None
    ) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.error = error
        self.hangs_until = hangs_until

    def __getattr__(self, name: str) -> Callable[..., None]:
        def called(what: Any = None) -> None:
            if self.hangs_until:
                self.hangs_until.wait(60)
            if self.error:
                raise self.error
            state = [str(what.state)] if isinstance(what, Progress) else []
            self.calls.append((name, *state))

        return called


def written(store: Store, count: int) -> list[tuple[str, ...]]:
    end = time.monotonic() + 5
    while len(store.calls) < count and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.2)
    return store.calls[1:]  # the first one forgets what is older than any message


def writer(store: Store, running_after: float) -> ProgressWriter:
    made = ProgressWriter(lambda: store, running_after)  # type: ignore[arg-type, return-value]
    made.start()
    return made


def test_a_photo_that_takes_long_is_shown_as_running_until_it_ends() -> None:
    store = Store()
    progress = writer(store, running_after=0.1)
    progress.accepted(TAKEN)
    assert written(store, 2) == [("save_progress", "running")]
    progress.ended(TAKEN)
    assert written(store, 3)[1:] == [("forget_progress",)]


def test_a_photo_that_ends_soon_costs_nothing() -> None:
    store = Store()
    progress = writer(store, running_after=60)
    progress.accepted(TAKEN)
    progress.ended(TAKEN)
    assert written(store, 1) == []


def test_a_retry_is_written_at_once_and_forgotten_at_the_end() -> None:
    store = Store()
    progress = writer(store, running_after=60)
    progress.accepted(TAKEN)
    progress.failed(FAILED)
    progress.ended(replace(TAKEN, attempts=2))
    assert written(store, 3) == [("save_progress", "retrying"), ("forget_progress",)]


def test_a_database_that_hangs_delays_nothing() -> None:
    answers = threading.Event()
    store = Store(hangs_until=answers)
    progress = writer(store, running_after=0)
    for _ in range(5000):
        progress.failed(FAILED)
    assert not store.calls
    answers.set()
    assert ("save_progress", "retrying") in written(store, 2)


def test_a_database_that_cannot_be_reached_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    progress = writer(Store(DatabaseUnavailable("connection refused")), running_after=0)
    for _ in range(5000):
        progress.failed(FAILED)
    end = time.monotonic() + 30
    while "not writing" not in caplog.text and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.2)
    assert caplog.text.count("not writing the progress of photos") == 1
