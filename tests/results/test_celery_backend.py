"""Celery's results: everything that `AsyncResult` and groups offer, read from the inspections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from threading import Timer
from typing import Any

import pytest
from celery import exceptions
from celery.result import GroupResult, ResultSet

from damage_tasks import app, get_inspection
from damage_tasks.errors import TimeLimitReached
from damage_tasks.inspection import Progress, Reason, State, Verdict
from damage_tasks.inspection_id import storable_id
from damage_tasks.results.celery_backend import open_inspections
from damage_tasks.results.store import Inspections
from damage_tasks.settings import get_settings
from tools.sample_pictures_and_results import damage, finding, inspection

ENDED = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
NEXT_ATTEMPT = datetime(2026, 11, 2, 10, 31, tzinfo=UTC)


@pytest.fixture
def store(migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inspections]:
    """The database that the application reads, with the inspections 1 and 2."""
    monkeypatch.setenv("DAMAGE_DATABASE_URL", migrated_postgres_url)
    for cached in (get_settings, open_inspections):
        cached.cache_clear()
    store = open_inspections()
    for id in ("1", "2"):
        store.save(replace(inspection(id, found=finding(damage())), finished_at=ENDED))
    yield store
    store.close()
    for cached in (get_settings, open_inspections):
        cached.cache_clear()


def results_of(*ids: str) -> Any:
    return ResultSet([app.AsyncResult(id) for id in ids], app=app)


def test_a_result_has_the_time_at_which_the_photo_was_examined(store: Inspections) -> None:
    result = app.AsyncResult("1")
    assert result.date_done == ENDED
    assert result.get(timeout=60)["finished_at"] == ENDED.isoformat()
    assert app.AsyncResult("waiting").date_done is None


def test_a_photo_without_a_verdict_has_celerys_states(store: Inspections) -> None:
    running = Progress("3", State.RUNNING, 1, ENDED, 1, ENDED, worker="worker1@pod-7", since=ENDED)
    store.save_progress(running)
    result = app.AsyncResult("3")
    assert result.state == "STARTED"
    assert result.result == {"hostname": "worker1@pod-7", "since": ENDED.isoformat()}
    why = Reason("download_failed", "503")
    store.save_progress(
        replace(running, state=State.RETRYING, receives=2, reason=why, next_attempt_at=NEXT_ATTEMPT)
    )
    result = app.AsyncResult("3")
    assert (result.state, result.ready()) == ("RETRY", False)
    shown = get_inspection("3")
    assert shown and shown["state"] == "retrying"
    assert result.info == {
        "hostname": shown["worker"],
        "since": shown["since"],
        "reason": {"code": "download_failed", "text": "503"},
        "next_attempt_at": NEXT_ATTEMPT.isoformat(),
    }
    assert shown["next_attempt_at"] == NEXT_ATTEMPT.isoformat()
    with pytest.raises(exceptions.TimeoutError):
        result.get(timeout=0.1)
    assert app.AsyncResult("waiting").state == "PENDING"


def test_results_can_be_joined_and_iterated_natively(store: Inspections) -> None:
    assert [found["id"] for found in results_of("2", "1").join_native(timeout=60)] == ["2", "1"]
    assert {id for id, _ in results_of("1", "2").iter_native(timeout=60)} == {"1", "2"}
    group = GroupResult("group-1", [app.AsyncResult("1"), app.AsyncResult("2")], app=app)
    assert [found["id"] for found in group.get(timeout=60)] == ["1", "2"]


def test_a_native_join_waits_for_a_verdict(store: Inspections) -> None:
    Timer(0.3, store.save, [inspection("3", found=finding(damage()))]).start()
    messages: list[Any] = []
    joined = results_of("1", "3").join_native(timeout=60, interval=0.05, on_message=messages.append)
    assert [found["id"] for found in joined] == ["1", "3"]
    assert [meta["task_id"] for meta in messages] == ["1", "3"]


def test_a_native_join_ends_at_its_time_limit(store: Inspections) -> None:
    start = time.monotonic()
    with pytest.raises(exceptions.TimeoutError, match="not every photo has a verdict yet"):
        results_of("1", "waiting").join_native(timeout=0.3)
    assert time.monotonic() - start < 3


def test_a_native_join_raises_what_get_raises(store: Inspections) -> None:
    failed = Reason(TimeLimitReached.code, "not finished after 60 s")
    store.save(replace(inspection("4"), verdict=Verdict.FAILED, finding=None, reason=failed))
    with pytest.raises(TimeLimitReached):
        results_of("4").join_native(timeout=60)


def test_a_refused_message_is_found_under_an_id_that_is_too_long_to_store(
    store: Inspections,
) -> None:
    for id in ("i" * 5000, "two\nlines", "half \ud83d"):
        store.save(inspection(storable_id(id)))
        found = get_inspection(id)
        assert found is not None
        assert found["id"] == storable_id(id)
        assert app.AsyncResult(id).get(timeout=60)["id"] == storable_id(id)
