"""A worker on which every photo fails stops; a worker with a few bad photos does not."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from damage_tasks import app, tasks
from damage_tasks.errors import DamageTaskError, PhotoExpired, StorageUnavailable
from damage_tasks.inspection import Inspection, Verdict
from damage_tasks.worker.breaker import Breaker
from damage_tasks.worker.runtime import WorkerRuntime
from tools.sample_pictures_and_results import inspection

LIMIT = 3


class Stopped(Exception):
    pass


def stop() -> None:
    raise Stopped


@pytest.fixture
def breaker() -> Breaker:
    breaker = Breaker(stop)
    breaker.arm(LIMIT)
    return breaker


@pytest.fixture(autouse=True)
def runtime(breaker: Breaker, monkeypatch: pytest.MonkeyPatch) -> WorkerRuntime:
    """The runtime of a worker that stops after `LIMIT` failures and never retries."""
    monkeypatch.setenv("DAMAGE_MAX_RETRIES", "0")
    runtime = WorkerRuntime()
    runtime.breaker = breaker
    monkeypatch.setattr(app, "runtime", runtime)
    return runtime


class Pipeline:
    """Returns or raises the given outcomes in turn."""

    def __init__(self, *outcomes: Inspection | Exception) -> None:
        self.outcomes = list(outcomes)

    def inspect(self, *_: Any, **__: Any) -> Inspection:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def record_failure(self, *_: Any, **__: Any) -> None:
        pass


EXAMINED = inspection()
REUSED = replace(EXAMINED, reused=True)
REJECTED = replace(EXAMINED, verdict=Verdict.REJECTED, finding=None)
BROKEN = RuntimeError("out of memory on the GPU")
AWAY = StorageUnavailable()


def run(monkeypatch: pytest.MonkeyPatch, *outcomes: Inspection | Exception, id: str = "") -> bool:
    """Whether the worker stopped; each outcome belongs to a new photo, or all to photo ``id``."""
    pipeline: Any = Pipeline(*outcomes)
    monkeypatch.setattr(app.runtime, "get_pipeline", lambda: pipeline)
    for number in range(len(outcomes)):
        tasks.detect_damage.push_request(id=id or f"photo-{number}", retries=0)
        try:
            tasks.detect_damage.run("https://x/y.jpg")
        except DamageTaskError:
            continue
        except Stopped:
            return True
        finally:
            tasks.detect_damage.pop_request()
    return False


def test_photos_that_fail_in_a_row_stop_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, *[BROKEN] * LIMIT)


def test_rejected_and_known_photos_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # Otherwise, missing photos in between would keep a broken worker running forever.
    assert run(monkeypatch, BROKEN, REJECTED, BROKEN, REUSED, REJECTED, BROKEN)


def test_an_examined_photo_proves_that_the_worker_works(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not run(monkeypatch, BROKEN, BROKEN, EXAMINED, BROKEN, BROKEN, EXAMINED)


def test_one_bad_photo_stops_no_worker_however_often_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not run(monkeypatch, *[BROKEN] * LIMIT * 2, id="bad")


def test_an_outage_of_s3_or_the_database_stops_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not run(monkeypatch, *[AWAY] * LIMIT * 2)


def test_photos_that_expired_while_we_retried_stop_no_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not run(monkeypatch, *[PhotoExpired()] * LIMIT * 2)


def lost(breaker: Breaker, *ids: str) -> bool:
    try:
        for id in ids:
            breaker.lost(id)
    except Stopped:
        return True
    return False


def test_photos_that_end_their_process_in_a_row_stop_the_worker(breaker: Breaker) -> None:
    assert not breaker.tripped
    assert lost(breaker, "a", "b", "c")
    assert breaker.tripped


def test_one_photo_that_ends_its_process_stops_no_worker(breaker: Breaker) -> None:
    assert not lost(breaker, *["a"] * LIMIT * 2)


def test_a_process_that_examined_a_photo_in_between_proves_that_they_work(
    breaker: Breaker,
) -> None:
    assert not lost(breaker, "a", "b")
    breaker.examined()
    assert not lost(breaker, "c", "d")
    assert lost(breaker, "e")


def test_a_process_that_is_not_a_worker_is_never_stopped() -> None:
    unarmed = Breaker(stop)
    assert not lost(unarmed, *[str(n) for n in range(LIMIT * 2)])
    unarmed.trip()
    assert not unarmed.tripped


def test_the_parent_counts_lost_and_stuck_processes(
    breaker: Breaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from billiard.exceptions import WorkerLostError
    from celery.worker.request import Request as CeleryRequest

    from damage_tasks.worker import request

    seen: list[str] = []
    monkeypatch.setattr(breaker, "lost", seen.append)
    monkeypatch.setattr(CeleryRequest, "on_failure", lambda *_, **__: None)
    monkeypatch.setattr(CeleryRequest, "on_timeout", lambda *_, **__: None)
    photo: Any = object.__new__(request.Request)
    photo._eventer, photo._app = None, app
    photo.id, photo._message = "a", SimpleNamespace(delivery_info={}, headers={})
    photo.on_failure(SimpleNamespace(exception=WorkerLostError("signal 9")))
    photo.on_timeout(False, 8)
    photo.on_timeout(True, 6)
    photo.on_failure(SimpleNamespace(exception=ValueError("no")))
    assert seen == ["a", "a"]


def test_the_parent_asks_no_database_about_a_lost_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its loop would wait for it, and processes started later would share the connection.
    from damage_tasks.results import celery_backend
    from damage_tasks.worker import request

    monkeypatch.setattr(celery_backend, "open_inspections", lambda: pytest.fail("asked"))
    photo: Any = SimpleNamespace(id="a", ignore_result=False, task=tasks.detect_damage)
    assert not request.Request._success_was_stored(photo)
