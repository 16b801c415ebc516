"""The photos of a case are summarised, and the one that completes it is announced once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import TypeAdapter

from damage_tasks.contract import CaseResult
from damage_tasks.damage import Severity
from damage_tasks.decision import Action, Decision
from damage_tasks.inspection import Inspection, PhotoFacts, Quality, Reason, Verdict
from damage_tasks.results.decisions import insert_decision
from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import deliveries
from tools.sample_pictures_and_results import damage, finding, inspection

TARGET = "https://hooks.example/damage"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[Inspections]:
    store = Inspections(database_url)
    store.event_targets = (TARGET,)
    yield store
    store.close()


def photo(number: int, *, expected: int | None = 3, **changes: Any) -> Inspection:
    given = {"sha256": str(number) * 64, "finished_at": NOON + timedelta(minutes=number)}
    return inspection(
        f"task-{number}", case_id="case-1", case_photos=expected, **{**given, **changes}
    )


def rejected(number: int, **changes: Any) -> Inspection:
    return photo(
        number,
        verdict=Verdict.REJECTED,
        finding=None,
        photo=PhotoFacts(),
        reason=Reason("photo_unreadable", "ends early"),
        **changes,
    )


def summary(store: Inspections) -> Any:
    found = store.find_case("case-1")
    TypeAdapter(CaseResult).validate_python(found, strict=True, extra="forbid")
    assert json.loads(json.dumps(found)) == found
    return found


def completions(store: Inspections) -> list[Any]:
    query = sa.select(deliveries.c.body).where(deliveries.c.type == "case.completed")
    with store.engine.connect() as connection:
        return [json.loads(body)["data"] for body in connection.execute(query).scalars()]


def test_a_case_without_a_verdict_is_unknown(store: Inspections) -> None:
    store.save(inspection("other", case_id="case-2"))
    assert store.find_case("case-1") is None


def test_a_case_is_summarised(store: Inspections) -> None:
    severe = replace(damage("scratch"), severity=Severity.SEVERE)
    store.save(photo(1, found=finding(damage("dent"), severe)))
    store.save(photo(2, found=finding(quality=Quality(3.0, 0.5, "poor", ("blurred",)))))
    store.save(rejected(3))
    found = summary(store)
    assert found["complete"] is False
    assert found["photos"] == {
        "expected": 3, "seen": 3, "examined": 2,
        "damaged": 1, "clean": 1, "rejected": 1, "failed": 0,
    }  # fmt: skip
    assert found["worst_severity"] == "severe"
    assert found["damages"] == {"dent": 1, "scratch": 1}
    assert [(one["id"], one["reason"]) for one in found["retake"]] == [
        ("task-2", "blurred"),
        ("task-3", "photo_unreadable"),
    ]
    assert found["inspections"] == ["task-1", "task-2", "task-3"]
    assert completions(store) == []


def test_another_photo_for_a_rejected_one_completes_the_case_once(store: Inspections) -> None:
    for one in (photo(1), photo(2), rejected(3)):
        store.save(one)
    assert completions(store) == []
    store.save(photo(4))
    store.save(photo(4))
    store.save(photo(5))
    (event,) = completions(store)
    assert event["complete"] is True
    assert event["inspections"][-1] == "task-4"
    assert summary(store)["photos"]["seen"] == 5


def test_the_event_of_a_large_case_is_short(store: Inspections) -> None:
    for number in range(1, 4):
        store.save(replace(photo(number, expected=4), id=f"{number}" * 1000))
    for number in range(4, 30):
        store.save(replace(rejected(number, expected=4), id=f"{number}" * 400))
    store.save(replace(photo(30, expected=4, sha256="f" * 64), id="last"))
    case = completions(store)[-1]
    assert case["photos"]["rejected"] == 26
    assert (case["inspections"], case["retake"]) == ([], [])


def test_the_same_photo_twice_counts_once(store: Inspections) -> None:
    store.save(photo(1, expected=2))
    store.save(photo(2, expected=2, sha256="1" * 64, found=finding(damage()), reused=True))
    found = summary(store)
    assert (found["photos"]["seen"], found["photos"]["examined"]) == (2, 1)
    assert found["complete"] is False


def test_without_a_number_a_case_is_never_complete(store: Inspections) -> None:
    store.save(photo(1, expected=None))
    assert summary(store)["complete"] is None
    assert completions(store) == []


def decide(store: Inspections, action: Action, **payload: Any) -> None:
    made = Decision("task-1", "ann@example.com", action, NOON, payload)
    with store.engine.begin() as connection:
        insert_decision(connection, made)


def test_damaged_areas_are_those_that_people_left(store: Inspections) -> None:
    severe = replace(damage("scratch"), severity=Severity.SEVERE)
    store.save(photo(1, found=finding(damage("dent"), severe, damage("spacing"))))
    decide(store, Action.NO_DAMAGE, damage=2)
    found = summary(store)
    assert (found["worst_severity"], found["damages"]) == ("minor", {"dent": 1, "spacing": 1})
    decide(store, Action.WRONG_TYPE, damage=3, type="dent")
    decide(store, Action.SEVERITY, damage=1, severity="moderate")
    found = summary(store)
    assert (found["worst_severity"], found["damages"]) == ("moderate", {"dent": 2})


def test_damage_that_people_marked_counts_by_the_type_that_they_named(store: Inspections) -> None:
    store.save(photo(1))
    decide(store, Action.MISSED, point=[5, 6])
    decide(store, Action.MISSED, point=[9, 9], type="dent")
    found = summary(store)
    assert (found["worst_severity"], found["damages"]) == (None, {"unknown": 1, "dent": 1})


def test_an_inspectors_decision_counts(store: Inspections) -> None:
    for number in (1, 2):
        store.save(photo(number, found=finding(damage())))
    with store.engine.begin() as connection:
        for number, action in ((1, Action.NO_DAMAGE), (2, Action.RETAKE)):
            insert_decision(
                connection,
                Decision(
                    inspection_id=f"task-{number}",
                    person="ann@example.com",
                    action=action,
                    made_at=NOON,
                    payload={},
                ),
            )
    found = summary(store)
    assert (found["worst_severity"], found["damages"]) == (None, {})
    assert [(one["id"], one["reason"]) for one in found["retake"]] == [("task-2", "retake")]


@pytest.mark.server
def test_two_photos_stored_at_once_complete_their_case_once(migrated_postgres_url: str) -> None:
    stores = [Inspections(migrated_postgres_url) for _ in range(2)]
    start = threading.Barrier(2)

    def save(store: Inspections, number: int, case: str) -> None:
        store.event_targets = (TARGET,)
        one = photo(number, expected=2, sha256=f"{case}{number}".ljust(64, "0"))
        start.wait()
        store.save(replace(one, id=f"{case}-{number}", case_id=case))

    for case in "01234":
        threads = [
            threading.Thread(target=save, args=(store, number, case))
            for number, store in enumerate(stores)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(case["case_id"] for case in completions(stores[0])) == list("01234")
    for store in stores:
        store.close()
