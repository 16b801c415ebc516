"""When the heartbeat is touched: each rule separately, without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state

from damage_tasks.worker import heartbeat
from damage_tasks.worker.heartbeat import Heartbeat, clear_heartbeat

HELD: list[Any] = []  # Celery's own sets hold requests weakly


class Photo:
    """A request in progress."""

    def __init__(self, age: float | None = None) -> None:
        self.id = f"photo-{id(self)}"
        self.time_start = None if age is None else time.time() - age


class Clock:
    """The heartbeat's clocks, shifted by ``ahead`` seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(heartbeat, "time", clock)
    return clock


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heartbeat]:
    """A heartbeat with two running processes and no photos in progress."""
    monkeypatch.setenv("DAMAGE_HEARTBEAT_FILE", str(tmp_path / "run/heartbeat"))
    consumer = SimpleNamespace(pool=SimpleNamespace(num_processes=2), task_buckets={})
    step = Heartbeat(consumer)
    monkeypatch.setattr(heartbeat, "processes_up", lambda _: 2)
    yield step
    HELD.clear()
    state.reserved_requests.clear()
    state.active_requests.clear()


def take(*photos: Any, running: bool = True) -> None:
    """Add photos to those in progress."""
    HELD.extend(photos)
    for photo in photos:
        state.reserved_requests.add(photo)
        if running:
            state.active_requests.add(photo)


def test_an_answered_poll_is_a_heartbeat_and_makes_ready(step: Heartbeat) -> None:
    step.polled()
    beat, limit = step.files.heartbeat.read_text().split()
    assert abs(int(beat) - time.time()) < 5
    assert limit == "120"
    assert step.files.ready.exists()
    clear_heartbeat(step.files)
    assert not step.files.heartbeat.exists()
    assert not step.files.ready.exists()


def test_a_worker_that_still_loads_is_alive_and_not_ready(
    step: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "processes_up", lambda _: 1)
    step.polled()
    assert step.files.heartbeat.exists()
    assert not step.files.ready.exists()


def test_processes_missing_for_longer_than_they_may_load(
    step: Heartbeat, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "processes_up", lambda _: 1)
    clock.ahead += 1000
    step.polled()
    assert not step.files.heartbeat.exists()
    assert "processes are missing" in (step.trouble or "")
    monkeypatch.setattr(heartbeat, "processes_up", lambda _: 2)
    step.polled()
    assert step.files.heartbeat.exists()


def test_busy_inside_the_time_limit_and_beyond(step: Heartbeat, clock: Clock) -> None:
    take(Photo(10), Photo(89))
    step.busy()
    assert step.files.heartbeat.exists()
    step.files.heartbeat.unlink()
    take(Photo(90 + heartbeat.KILL_MARGIN_SECONDS + 1))
    clock.ahead += 2  # it is written once a second
    step.busy()
    assert "has been running for" in (step.trouble or "")
    assert not step.files.heartbeat.exists()
    step.polled()  # one stuck photo is enough, even while others are polled for
    assert not step.files.heartbeat.exists()


def test_a_photo_that_an_idle_process_does_not_take(step: Heartbeat, clock: Clock) -> None:
    take(Photo(1))
    take(Photo(), running=False)
    step.polled()
    assert step.files.heartbeat.exists()
    clock.ahead += heartbeat.MAX_UNTAKEN_SECONDS + 1
    step.polled()
    assert "no process has taken photo" in (step.trouble or "")
    # With every process busy it may wait.
    take(Photo(1))
    step.polled()
    assert step.trouble is None


def test_without_a_due_poll_or_a_photo_in_progress_there_is_no_heartbeat(step: Heartbeat) -> None:
    # A slot was never released: the worker would wait forever (celery/celery#5072).
    step.busy()
    assert not step.files.heartbeat.exists()
    assert step.trouble == "no photo is in progress, but no poll is due"


def test_a_draining_worker_is_alive_while_photos_are_in_progress(step: Heartbeat) -> None:
    step.draining()
    assert not step.files.heartbeat.exists()
    take(Photo(1))
    step.draining()
    assert step.files.heartbeat.exists()


def test_a_folder_that_cannot_be_written_does_not_stop_the_worker(
    step: Heartbeat, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("a file, not a folder")
    step.polled()
    assert not step.files.heartbeat.exists()


def test_a_worker_that_its_database_refuses_is_alive_and_not_ready(step: Heartbeat) -> None:
    step.polled()
    step.database_refusal = lambda: "permission denied"
    for show in (step.polled, step.busy):
        step.files.ready.touch()
        show()
        assert not step.files.ready.exists()
    assert step.files.heartbeat.exists()
    step.database_refusal = lambda: None
    step.polled()
    assert step.files.ready.exists()


class Polls:
    """A channel with two queues, of which ``hung`` ones get no answer."""

    def __init__(self) -> None:
        self.predefined_queues = ("bulk", "urgent")
        self.hung: set[str] = set()
        self.answered = 0.0
        self.is_full = False

    def before_poll(self, hook: Callable[[str], bool]) -> None:
        self._hook = hook

    def polled_at(self, queue: str) -> float:
        return self.answered

    def has_room(self, queue: str) -> bool:
        return not self.is_full

    def is_poll_due(self, queue: str) -> bool:
        return not self.is_full

    def go_on(self) -> None:
        """All polls are answered, except those that hang; a full worker sends none."""
        self.answered += not self.is_full
        for queue in self.predefined_queues:
            if queue not in self.hung:
                self._hook(queue)


@pytest.fixture
def polls(step: Heartbeat) -> Polls:
    polls = Polls()
    monitor = SimpleNamespace(database=SimpleNamespace(refusal=None))
    app = SimpleNamespace(runtime=SimpleNamespace(monitor=monitor))
    step.start(SimpleNamespace(app=app, task_consumer=SimpleNamespace(channel=polls)))
    return polls


def test_every_queue_must_be_polled(step: Heartbeat, polls: Polls, clock: Clock) -> None:
    polls.hung = {"bulk"}
    polls.go_on()
    assert step.trouble is None
    clock.ahead += heartbeat.MAX_UNPOLLED_SECONDS + 1
    polls.go_on()
    assert "queue bulk has not been polled for" in (step.trouble or "")
    polls.hung.clear()
    polls.go_on()
    polls.go_on()
    assert step.trouble is None


def test_a_queue_need_not_be_polled_while_there_is_no_room(
    step: Heartbeat, polls: Polls, clock: Clock
) -> None:
    polls.is_full = True
    take(Photo(-3 * heartbeat.MAX_UNPOLLED_SECONDS))
    for _ in range(3):
        clock.ahead += heartbeat.MAX_UNPOLLED_SECONDS - 1
        polls.go_on()
    assert step.trouble is None
