"""Events are written with the verdict: both or neither, and only if the verdict is new."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.errors import DatabaseError
from damage_tasks.inspection import Progress, Reason, State
from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import deliveries, inspections
from tests.result_contract import check_result
from tools.sample_pictures_and_results import damage, failed_inspection, finding, inspection

TOPIC = "arn:aws:sns:us-east-1:000000000000:events"
HOOK = "https://rental.example:8443/hooks/damage"
CALLBACK = "https://caller.example/photo?id=7"


@pytest.fixture
def store(database_url: str) -> Iterator[Inspections]:
    store = Inspections(database_url, (TOPIC, HOOK))
    yield store
    store.close()


def events(store: Inspections) -> list[Any]:
    with store.engine.connect() as connection:
        return list(connection.execute(sa.select(deliveries).order_by(deliveries.c.id)))


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=100)


def test_a_verdict_has_one_event_for_each_target(store: Inspections) -> None:
    stored = store.save(inspection("task-1", finding(damage()), metadata={"car": "ü"}))
    first, second = events(store)
    assert (first.target, first.destination) == (TOPIC, TOPIC)
    assert (second.target, second.destination) == (HOOK, "https://rental.example:8443")
    assert first.event_id == second.event_id
    assert first.body == second.body
    body = json.loads(first.body)
    assert list(body) == ["type", "timestamp", "data"]
    assert body["type"] == first.type == "inspection.completed"
    assert datetime.fromisoformat(body["timestamp"]).tzinfo
    assert body["data"] == stored.to_dict()
    check_result(body["data"])
    assert first.inspection_id == "task-1"
    assert (first.state, first.attempts, first.error) == ("waiting", 0, None)
    assert first.next_attempt_at <= datetime.now(UTC)


def test_a_callback_url_is_one_more_target(store: Inspections) -> None:
    store.save(inspection("task-1"), CALLBACK)
    assert [event.target for event in events(store)] == [TOPIC, HOOK, CALLBACK]
    store.save(inspection("task-2"), HOOK)
    assert [event.target for event in events(store)[3:]] == [TOPIC, HOOK]


def test_without_a_target_nothing_is_written(database_url: str) -> None:
    store = Inspections(database_url)
    store.save(inspection("task-1"))
    assert events(store) == []
    store.save(inspection("task-2"), CALLBACK)
    assert [event.target for event in events(store)] == [CALLBACK]
    store.close()


def test_a_verdict_that_was_stored_before_has_no_second_event(store: Inspections) -> None:
    for attempts in (1, 2, 3):
        store.save(inspection("task-1", attempts=attempts))
    assert len(events(store)) == 2


def test_the_event_of_a_known_photo_has_the_stored_finding(store: Inspections) -> None:
    store.save(inspection("task-1", finding(damage())))
    store.save(inspection("task-2", finding()))
    assert json.loads(events(store)[-1].body)["data"]["verdict"] == "damaged"


def test_a_verdict_without_its_event_is_not_stored(store: Inspections) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE deliveries"))
    with pytest.raises(DatabaseError, match="damage-tasks migrate"):
        store.save(inspection("task-1"))
    assert store.find("task-1") is None


def test_a_failed_photo_and_its_replay_are_two_events(store: Inspections) -> None:
    store.save(failed_inspection())
    store.save(inspection("task-1"))
    assert [event.type for event in events(store)] == [
        "inspection.failed", "inspection.failed", "inspection.completed", "inspection.completed",
    ]  # fmt: skip


def test_a_provisional_failure_is_sent_only_when_it_is_final(store: Inspections) -> None:
    final = soon()
    store.save(failed_inspection(final_after=final))
    first, _ = events(store)
    assert first.type == "inspection.failed"
    assert first.next_attempt_at == final


@pytest.mark.parametrize("verdict", ["clean", "failed"])
def test_the_verdict_of_the_last_attempt_replaces_the_provisional_failure(
    store: Inspections, verdict: str
) -> None:
    store.save(failed_inspection(final_after=soon()), CALLBACK)
    store.save(failed_inspection() if verdict == "failed" else inspection("task-1"), CALLBACK)
    kind = "failed" if verdict == "failed" else "completed"
    assert [event.type for event in events(store)] == [f"inspection.{kind}"] * 3


def test_a_withdrawn_failure_has_no_event(store: Inspections) -> None:
    store.save(failed_inspection("task-2"))
    store.save(failed_inspection(final_after=soon()), CALLBACK)
    store.withdraw_failure("task-1")
    assert {event.inspection_id for event in events(store)} == {"task-2"}
    with store.engine.connect() as connection:
        assert connection.execute(sa.select(inspections.c.id)).scalars().all() == ["task-2"]


def test_a_retry_has_an_event_and_a_running_photo_has_none(store: Inspections) -> None:
    now = datetime.now(UTC)
    running = Progress("task-1", State.RUNNING, 1, now, 1, now)
    reason = Reason("download_failed", "503")
    store.save_progress(running)
    assert events(store) == []
    retrying = replace(running, state=State.RETRYING, reason=reason, next_attempt_at=soon())
    store.save_progress(retrying)
    first, _ = events(store)
    assert first.type == "inspection.retrying"
    assert json.loads(first.body)["data"] == retrying.to_dict()
    # One that comes late, from an earlier attempt, is not stored.
    store.save_progress(replace(retrying, message_sent_at=now - timedelta(minutes=1)))
    assert len(events(store)) == 2


def test_texts_that_utf8_cannot_represent_do_not_stop_an_event(store: Inspections) -> None:
    store.save(
        inspection("task-1", photo_url="https://a/\ud800\0", metadata={"note": "\udfff \u2028"})
    )
    data = json.loads(events(store)[0].body)["data"]
    assert data["photo"]["url"] == "https://a/?\0"
    assert data["metadata"] == {"note": "? \u2028"}


def test_outlines_that_make_a_body_too_long_become_bounding_boxes(store: Inspections) -> None:
    outline = tuple((10 + n % 30, 20 + n % 40) for n in range(3000))
    found = finding(replace(damage(), polygon=outline), damage("scratch"))
    stored = store.save(inspection("task-1", found))
    body = json.loads(events(store)[0].body)
    assert body["abridged"] is True
    check_result(body["data"])
    (large, small), whole = body["data"]["damages"], stored.to_dict()["damages"]
    assert large["polygon"] == [[10, 20], [39, 20], [39, 59], [10, 59]]
    assert {**large, "polygon": None} == {**whole[0], "polygon": None}
    assert {**small, "polygon": None} == {**whole[1], "polygon": None}
    assert len(events(store)[0].body.encode()) < 20_000
