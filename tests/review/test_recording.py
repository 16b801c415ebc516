"""Decisions are kept next to the finding, in PostgreSQL and in SQLite."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.errors import DatabaseError, DecisionInvalid, InspectionNotFound
from damage_tasks.inspection import Inspection, Quality, Reason, Verdict
from damage_tasks.inspection_lookup import get_inspection
from damage_tasks.results.decisions import decided_counts
from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import deliveries
from damage_tasks.review import recording
from damage_tasks.review.recording import record, undo_last
from tests.result_contract import check_result
from tools.sample_pictures_and_results import damage, finding, inspection


@pytest.fixture
def store(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inspections]:
    monkeypatch.setenv("DAMAGE_DATABASE_URL", database_url)
    store = Inspections(database_url)
    store.save(inspection("task-1", finding(damage(), damage("scratch"))))
    yield store
    store.close()


TOPIC = "arn:aws:sns:us-east-1:000000000000:events"
CALLBACK = "https://caller.example/photo?id=7"


@pytest.fixture
def sending_store(database_url: str, store: Inspections) -> Iterator[Inspections]:
    """The same database, with a target of events."""
    sending = Inspections(database_url, (TOPIC,))
    yield sending
    sending.close()


def reviews(store: Inspections) -> list[tuple[str, Any]]:
    """Target and data of each event about a decision."""
    written = sa.select(deliveries).where(deliveries.c.type == "inspection.reviewed")
    with store.engine.connect() as connection:
        rows = connection.execute(written.order_by(deliveries.c.id)).all()
    assert {row.inspection_id for row in rows} <= {"task-1"}
    return [(row.target, json.loads(row.body)["data"]) for row in rows]


def result() -> Any:
    return check_result(get_inspection("task-1"))


def test_without_a_person_nothing_is_billable(store: Inspections) -> None:
    found = result()
    assert (found["verdict"], found["final_verdict"]) == ("damaged", "damaged")
    assert (found["billable"], found["reviewed_by"], found["decisions"]) == (False, None, [])


def test_a_confirmed_damage_is_billable(store: Inspections) -> None:
    record(store, "task-1", "ann", "confirm", seconds=3.21)
    found = result()
    assert (found["final_verdict"], found["reviewed_by"], found["billable"]) == (
        "damaged", "ann", True,
    )  # fmt: skip
    (made,) = found["decisions"]
    assert made["seconds"] == 3.2
    assert made["bundle_digest"] == found["bundle"]["digest"]


def test_a_rejected_damage_makes_the_other_one_not_billable_until_it_is_confirmed(
    store: Inspections,
) -> None:
    record(store, "task-1", "ann", "no_damage", {"damage": 1})
    assert (result()["final_verdict"], result()["billable"]) == ("damaged", False)
    record(store, "task-1", "ann", "confirm", {"damage": 2})
    assert (result()["final_verdict"], result()["billable"]) == ("damaged", True)


def test_a_decision_changes_no_finding_and_a_second_one_is_kept_too(
    store: Inspections,
) -> None:
    before = store.find("task-1")
    record(store, "task-1", "ann", "confirm")
    record(store, "task-1", "bob", "no_damage")
    assert store.find("task-1") == before
    found = result()
    assert [d["person"] for d in found["decisions"]] == ["ann", "bob"]
    assert (found["verdict"], found["final_verdict"]) == ("damaged", "clean")
    assert (found["reviewed_by"], found["billable"]) == ("bob", False)


@pytest.mark.parametrize(
    ("score", "is_unsure", "quality", "needed"),
    [
        (0.9, True, "good", True),
        (0.5, False, "good", False),
        (0.9, False, "poor", True),
        (0.5, None, "good", True),  # stored by an older worker
        (0.9, None, "good", False),
    ],
)
def test_the_contract_says_whether_a_person_should_look(
    store: Inspections, score: float, is_unsure: bool | None, quality: str, needed: bool
) -> None:
    found = finding(damage(), damage_score=score, quality=Quality(1.0, 0.5, quality))
    store.save(inspection("task-2", found, sha256="c" * 64, is_unsure=is_unsure))
    assert check_result(get_inspection("task-2"))["needs_review"] is needed
    with store.transaction() as connection:
        query = sa.text("SELECT needs_review FROM verdicts WHERE id = 'task-2'")
        assert bool(connection.execute(query).scalar_one()) is needed
    record(store, "task-2", "ann", "confirm")
    assert check_result(get_inspection("task-2"))["needs_review"] is False


def test_a_rejected_photo_needs_no_review(store: Inspections) -> None:
    found = finding(verdict=Verdict.REJECTED, damage_score=0.5, reason=Reason("no_car", "no car"))
    assert inspection("task-2", found, is_unsure=None).needs_review is False


def test_undo_restores_what_counted_before(store: Inspections) -> None:
    record(store, "task-1", "ann", "confirm")
    record(store, "task-1", "bob", "no_damage")
    undone = undo_last(store, "bob")
    assert undone
    assert undone.inspection_id == "task-1"
    assert result()["reviewed_by"] == "ann"
    assert undo_last(store, "bob") is None
    assert undo_last(store, "ann")
    assert (result()["reviewed_by"], result()["billable"]) == (None, False)


def test_each_decision_and_its_undoing_have_an_event_with_the_result(
    sending_store: Inspections,
) -> None:
    results = []
    for person in ("ann", "bob"):
        record(sending_store, "task-1", person, "confirm")
        results.append((TOPIC, result()))
    undo_last(sending_store, "bob")
    results.append((TOPIC, result()))
    assert reviews(sending_store) == results
    assert [data["reviewed_by"] for _, data in results] == ["ann", "bob", "ann"]
    assert undo_last(sending_store, "bob") is None
    assert len(reviews(sending_store)) == 3


def test_without_a_target_a_decision_has_no_event(store: Inspections) -> None:
    record(store, "task-1", "ann", "confirm")
    assert reviews(store) == []


def test_the_callback_url_of_the_photo_receives_events_of_decisions(store: Inspections) -> None:
    store.save(inspection("task-2", finding(damage()), sha256="c" * 64), CALLBACK)
    record(store, "task-2", "ann", "confirm")
    with store.engine.connect() as connection:
        rows = connection.execute(
            sa.select(deliveries.c.target).where(deliveries.c.type == "inspection.reviewed")
        )
        assert rows.scalars().all() == [CALLBACK]


def test_a_decision_without_its_event_is_not_stored(sending_store: Inspections) -> None:
    with sending_store.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE deliveries"))
    with pytest.raises(DatabaseError, match="damage-tasks migrate"):
        record(sending_store, "task-1", "ann", "confirm")
    assert result()["decisions"] == []


def test_outlines_in_decisions_are_abridged_in_a_long_event(sending_store: Inspections) -> None:
    corners = [[10, 20], [39, 20], [39, 59], [10, 59]]
    outline = [corners[n % 4] for n in range(2000)]
    for number in (1, 2):
        record(sending_store, "task-1", "ann", "reshape", {"damage": number, "polygon": outline})
    (_, short), (_, long) = reviews(sending_store)
    payloads = [decision["payload"] for decision in check_result(long)["decisions"]]
    assert payloads == [{"damage": number, "polygon": corners} for number in (1, 2)]
    assert short["decisions"][0]["payload"]["polygon"] == outline
    assert result()["decisions"][0]["payload"]["polygon"] == outline


def test_only_decisions_of_the_last_hours_are_undone(
    store: Inspections, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store, "task-1", "ann", "confirm")
    monkeypatch.setattr(recording, "UNDO_WINDOW", timedelta(0))
    assert undo_last(store, "ann") is None
    assert result()["reviewed_by"] == "ann"


def test_every_action_is_stored_and_keeps_the_contract(store: Inspections) -> None:
    payloads: dict[str, dict[str, Any]] = {
        "confirm": {"damage": 1},
        "no_damage": {"damage": 2},
        "wrong_type": {"damage": 1, "type": "scratch"},
        "severity": {"damage": 1, "severity": "severe"},
        "missed": {"type": "dent", "box": [1, 2, 30, 40]},
        "reshape": {"damage": 1, "polygon": [[1, 1], [50, 1], [50, 60]]},
        "retake": {"text": "too dark"},
        "note": {"text": "wet car, NUL \0"},
    }
    for action, payload in payloads.items():
        record(store, "task-1", "ann", action, payload)
    stored = {d["action"]: d["payload"] for d in result()["decisions"]}
    payloads["note"]["text"] = "wet car, NUL \ufffd"
    assert stored == payloads


@pytest.mark.parametrize(
    ("seconds", "stored"), [(-1.0, 0.0), (9e9, 3600.0), (math.inf, 3600.0), (math.nan, None)]
)
def test_the_stored_time_is_possible(
    store: Inspections, seconds: float, stored: float | None
) -> None:
    record(store, "task-1", "ann", "confirm", seconds=seconds)
    assert result()["decisions"][0]["seconds"] == stored


@pytest.mark.parametrize(
    ("action", "payload", "complaint"),
    [
        ("guess", {}, "not one of confirm"),
        ("confirm", {"damage": 3}, "2 damages, not 3"),
        ("confirm", {"damage": 0}, "must be at least 1"),
        ("wrong_type", {"damage": 1}, "type: is missing"),
        (
            "severity",
            {"damage": 1, "severity": "total"},
            "must be one of 'minor', 'moderate' or",
        ),
        ("missed", {}, "needs one of point, box and polygon"),
        ("missed", {"point": [1, 2], "box": [1, 2, 3, 4]}, "needs one of"),
        ("missed", {"point": [320, 2]}, "outside the photo of 320 x 240"),
        ("missed", {"point": [2, 240]}, "outside the photo"),
        ("missed", {"polygon": [[1, 2], [321, 2], [5, 9]]}, "outside the photo"),
        ("missed", {"box": [300, 2, 30, 4]}, "outside the photo"),
        (
            "reshape",
            {"damage": 1, "polygon": [[1, 1], [2, 2]]},
            "needs at least 3 entries, not 2",
        ),
        ("reshape", {"damage": 1, "polygon": [[1, 1]] * 3}, "needs three different corners"),
        ("reshape", {"damage": 1, "polygon": [[1, 1], [5, 5], [9, 9]]}, "corners are on one line"),
        ("missed", {"polygon": [[1, 7], [9, 7], [5, 7], [1, 7]]}, "corners are on one line"),
        (
            "reshape",
            {"damage": 1, "polygon": [[10, 10], [100, 100], [100, 10], [10, 100]]},
            r"two sides cross near \(55, 55\): move or remove",
        ),
        ("missed", {"polygon": [[9, 0], [3, 9], [0, 3], [9, 6], [0, 6]]}, "two sides cross near"),
        ("missed", {"polygon": [[0, 0], [9, 0], [9, 9], [9, 0]]}, "move a corner aside"),
        ("missed", {"box": [1, 2, 0, 4]}, "must be at least 1"),
        ("confirm", {"damage": True}, "needs a number"),
        ("note", {"text": "  "}, "text: must not be empty"),
        ("note", {}, "text: is missing"),
        ("note", {"text": "x" * 2001}, "text: must have at most 2000 characters"),
        ("wrong_type", {"damage": 1, "type": "Dent!"}, "type: must be the name of a damage type"),
        ("wrong_type", {"damage": "one", "type": "dent"}, "damage: must be a whole number"),
        ("wrong_type", {"damage": 1, "type": 5}, "type: must be a text"),
        ("missed", {"point": 5}, "point: must be a list"),
        ("missed", {"point": [1]}, "point.1: is missing"),
        ("missed", {"point": [1, 2, 3]}, "point: must have at most 2 entries, not 3"),
        ("missed", {"point": [1.5, -2]}, "point.0: must be a whole number"),
        ("retake", {"surprise": 1}, "surprise: does not belong here"),
    ],
)
def test_an_invalid_decision_is_refused(
    store: Inspections, action: str, payload: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DecisionInvalid, match=complaint) as refused:
        record(store, "task-1", "ann", action, payload)
    assert not re.search("[Ii]nput|Value error|Field|Extra", str(refused.value))
    assert result()["decisions"] == []


def test_a_decision_needs_an_inspection_and_a_person(store: Inspections) -> None:
    with pytest.raises(InspectionNotFound):
        record(store, "task-9", "ann", "confirm")
    with pytest.raises(DecisionInvalid, match="name of a person"):
        record(store, "task-1", "", "confirm")


def test_two_people_who_decide_at_once_are_both_stored(sending_store: Inspections) -> None:
    store = sending_store
    people = [f"person-{n}" for n in range(4)]
    threads = [
        threading.Thread(target=record, args=(store, "task-1", person, "confirm"))
        for person in people
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {d["person"] for d in result()["decisions"]} == set(people)
    # The last event knows all of them.
    assert [len(data["decisions"]) for _, data in reviews(store)] == [1, 2, 3, 4]


def test_inspections_decided_today_are_counted_by_person(store: Inspections) -> None:
    other: Inspection = inspection("task-2", sha256="c" * 64)
    store.save(other)
    for id, person in (("task-1", "ann"), ("task-1", "ann"), ("task-2", "ann"), ("task-1", "bob")):
        record(store, id, person, "confirm")
    record(store, "task-2", "bob", "note", {"text": "wet car"})
    record(store, "task-2", "cat", "note", {"text": "wet car"})
    record(store, "task-2", "cat", "confirm")
    undo_last(store, "cat")
    with store.transaction() as connection:
        since = datetime.now(UTC) - timedelta(hours=1)
        assert decided_counts(connection, since) == [("ann", 2), ("bob", 1)]
