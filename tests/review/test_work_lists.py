"""The work lists, in PostgreSQL and in SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.inspection import PhotoFacts, Quality
from damage_tasks.results import list_counts, work_lists
from damage_tasks.results.list_orders import ErrorCosts
from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import inspections
from damage_tasks.results.work_lists import Selection, WorkList
from damage_tasks.review.recording import record, undo_last
from tools.sample_pictures_and_results import NOW, damage, failed_inspection, finding, inspection


@pytest.fixture
def store(database_url: str) -> Iterator[Inspections]:
    """Twelve inspections: every second damaged, every third of poor quality."""
    store = Inspections(database_url)
    for number in range(12):
        found = finding(
            *([damage("scratch")] if number % 2 else []),
            damage_score=number / 16,
            quality=Quality(1.0, 0.5, "good" if number % 3 else "poor"),
        )
        digest = f"{number * 21:02x}" + "a" * 62
        store.save(
            inspection(
                f"task-{number:02}",
                found,
                finished_at=NOW + timedelta(minutes=number),
                metadata={"car_id": number % 4},
                case_id=f"case-{number % 3}",
                photo=PhotoFacts(digest, 12_345, 320, 240, None if number % 4 else "Apple iPad"),
            )
        )
    yield store
    store.close()


def ids(store: Inspections, work_list: WorkList, limit: int = 99, **more: Any) -> list[str]:
    after = more.pop("after", None)
    with store.transaction() as connection:
        selection = Selection(work_list, **more)
        rows = work_lists.find_page(connection, selection, limit, after)
        return [row.id.removeprefix("task-") for row in rows]


# Scores are numbers / 16; verdicts of odd numbers are damaged, those of even numbers clean.
@pytest.mark.parametrize(
    ("costs", "order"),
    [
        # A verdict that contradicts its score is the likeliest to be wrong.
        (ErrorCosts(), ["05", "10", "07", "08", "09", "06", "11", "04"]),
        (ErrorCosts(missed=100.0), ["10", "08", "06", "04", "05", "07", "09", "11"]),
        (ErrorCosts(false_alarm=100.0), ["05", "07", "09", "11", "10", "08", "06", "04"]),
        (ErrorCosts(missed=2.0), ["10", "08", "06", "05", "07", "04", "09", "11"]),
        # Where one photo in ten is damaged, 10 is damaged with a probability of 5 / 32 only.
        (
            ErrorCosts(missed=6.0, prevalence=0.1),
            ["05", "10", "07", "09", "11", "08", "06", "04"],
        ),
        (ErrorCosts(missed=0.0), ["05", "07", "09", "11", "10", "08", "06", "04"]),
    ],
)
def test_unsure_photos_come_in_the_order_of_what_a_wrong_verdict_would_cost(
    store: Inspections, costs: ErrorCosts, order: list[str]
) -> None:
    assert ids(store, WorkList.UNSURE, costs=costs) == order
    pages, after = [], None
    while page := ids(store, WorkList.UNSURE, 3, costs=costs, after=after):
        pages += page
        after = f"task-{page[-1]}"
    assert pages == order


def test_pages_of_unsure_photos_miss_none_among_equal_and_extreme_scores(
    store: Inspections,
) -> None:
    with store.transaction() as connection:
        connection.execute(sa.update(inspections).values(is_unsure=True))
        for number in range(12):
            score = (0.0, 1.0, 0.5, 0.5 + 1e-16)[number // 3]
            connection.execute(
                sa.update(inspections)
                .where(inspections.c.id == f"task-{number:02}")
                .values(damage_score=score)
            )
    every = ids(store, WorkList.UNSURE)
    assert sorted(every) == [f"{number:02}" for number in range(12)]
    for position, id in enumerate(every):
        assert ids(store, WorkList.UNSURE, after=f"task-{id}") == every[position + 1 :]


def test_the_worker_says_which_photos_are_unsure(store: Inspections) -> None:
    for id, score, is_unsure in (("sure", 0.5, False), ("low", 0.05, True)):
        found = finding(damage_score=score)
        store.save(inspection(id, found, sha256=id.ljust(64, "f"), is_unsure=is_unsure))
    assert ids(store, WorkList.UNSURE)[-1] == "low"
    assert "sure" not in ids(store, WorkList.UNSURE)


def test_damaged_photos_come_newest_first(store: Inspections) -> None:
    assert ids(store, WorkList.DAMAGED) == ["11", "09", "07", "05", "03", "01"]


def test_poor_photos_are_listed(store: Inspections) -> None:
    assert ids(store, WorkList.POOR_PHOTO) == ["09", "06", "03", "00"]


def test_poor_photos_of_older_workers_are_listed_by_their_findings(store: Inspections) -> None:
    store.save(failed_inspection("task-99"))
    with store.transaction() as connection:
        connection.execute(sa.update(inspections).values(is_poor=None))
    record(store, "task-06", "ann", "retake")
    assert ids(store, WorkList.POOR_PHOTO) == ["09", "03", "00"]


def test_the_audit_draws_by_digest_whatever_the_score(store: Inspections) -> None:
    assert ids(store, WorkList.AUDIT, audit_share=0.3) == ["00", "01", "02", "03"]
    assert ids(store, WorkList.AUDIT, audit_share=1.0) == [f"{n:02}" for n in range(12)]


@pytest.mark.parametrize("work_list", WorkList)
def test_pages_continue_where_the_last_one_ended(store: Inspections, work_list: WorkList) -> None:
    every = ids(store, work_list, audit_share=1.0)
    found: list[str] = []
    while page := ids(
        store, work_list, 2, audit_share=1.0, after=f"task-{found[-1]}" if found else None
    ):
        found += page
    assert found == every


def test_a_decided_photo_leaves_the_lists_until_the_decision_is_undone(store: Inspections) -> None:
    record(store, "task-05", "ann", "confirm")
    for work_list in (WorkList.UNSURE, WorkList.DAMAGED, WorkList.AUDIT):
        assert "05" not in ids(store, work_list, audit_share=1.0)
    assert "05" in ids(store, WorkList.ALL)
    record(store, "task-07", "ann", "note", {"text": "wet"})
    assert "07" in ids(store, WorkList.DAMAGED)
    undo_last(store, "ann")
    undo_last(store, "ann")
    assert "05" in ids(store, WorkList.DAMAGED)


def test_filters(store: Inspections) -> None:
    every = WorkList.ALL
    assert ids(store, every, criteria={"verdict": "damaged", "car_id": "3"}) == ["11", "07", "03"]
    assert ids(store, every, criteria={"type": "dent"}) == []
    assert ids(store, every, criteria={"min_score": 0.5}, max_score=0.6) == ["09", "08"]
    assert ids(store, every, bundle_version="2.0.0") == []
    assert len(ids(store, every, bundle_version="1.0.0")) == 12
    assert ids(store, every, criteria={"severity": "minor", "type": "scratch"}, limit=1) == ["11"]
    assert ids(store, every, criteria={"severity": "severe"}) == []
    assert ids(store, every, criteria={"camera": "apple"}) == ["08", "04", "00"]
    assert ids(store, every, criteria={"case_id": "case-2", "camera": "Apple"}) == ["08"]
    since = NOW + timedelta(minutes=10)
    assert ids(store, every, criteria={"since": since}) == ["11", "10"]
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert len(ids(store, every, criteria={"since": first, "until": last})) == 12


def test_counts_end_at_their_limit(store: Inspections, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.transaction() as connection:
        assert list_counts.count(connection, Selection(WorkList.ALL)) == (12, True)
        assert list_counts.count(connection, Selection(WorkList.UNSURE)) == (8, True)
        assert list_counts.count(connection, Selection(WorkList.POOR_PHOTO)) == (4, True)
        # Nobody knows how many of older workers' photos are poor without reading all findings.
        connection.execute(sa.update(inspections).values(is_poor=None))
        monkeypatch.setattr(list_counts, "MAX_COUNT", 5)
        assert list_counts.count(connection, Selection(WorkList.ALL)) == (5, False)
        assert list_counts.count(connection, Selection(WorkList.UNSURE)) == (5, False)
        assert list_counts.count(connection, Selection(WorkList.POOR_PHOTO)) == (1, False)


def test_a_filtered_list_is_counted_only_while_that_is_quick(
    store: Inspections, monkeypatch: pytest.MonkeyPatch
) -> None:
    dented = Selection(WorkList.ALL, {"verdict": "damaged"})
    with store.transaction() as connection:
        assert list_counts.count_filtered(connection, dented) == (6, True)
        if connection.dialect.name != "postgresql":
            return

        def wait(connection: Any, _: Selection) -> None:
            connection.exec_driver_sql("SELECT pg_sleep(60)")

        monkeypatch.setattr(list_counts, "FILTERED_COUNT_SECONDS", 0.01)
        monkeypatch.setattr(list_counts, "count", wait)
        assert list_counts.count_filtered(connection, dented) is None
        limit = connection.exec_driver_sql("SHOW statement_timeout").scalar()
        assert limit == "15s", "the transaction continues with its own limit"


def take(store: Inspections, person: str, after: str | None = None) -> str | None:
    with store.transaction() as connection:
        return work_lists.assign_next(connection, Selection(WorkList.DAMAGED), person, after)


def test_two_people_get_different_photos(store: Inspections) -> None:
    assert take(store, "ann") == "task-11"
    assert take(store, "bob") == "task-09"
    assert take(store, "ann") == "task-11"
    assert take(store, "ann", "task-11") == "task-07"
    with store.transaction() as connection:
        assert not work_lists.assign(connection, "task-09", "ann")
        held = work_lists.find_assignments(connection, ["task-09", "task-05"])
        assert {id: who.person for id, who in held.items()} == {"task-09": "bob"}


def test_a_released_or_old_assignment_is_free(
    store: Inspections, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert take(store, "ann") == "task-11"
    with store.transaction() as connection:
        work_lists.release(connection, "task-11", "bob")
    assert take(store, "bob") == "task-09"
    with store.transaction() as connection:
        work_lists.release(connection, "task-11", "ann")
    assert take(store, "bob") == "task-11"
    monkeypatch.setattr(work_lists, "ASSIGNMENT", timedelta(seconds=-1))
    assert take(store, "carol") == "task-07"
    assert take(store, "dora") == "task-07"


def test_the_end_of_a_list(store: Inspections) -> None:
    assert take(store, "ann", "task-01") is None
    assert take(store, "ann", "no-such-task") is None


def test_an_older_verdict_that_is_replaced_waits_again(store: Inspections) -> None:
    store.save(failed_inspection("task-99"))
    record(store, "task-99", "ann", "retake")
    store.save(inspection("task-99", finding(damage()), sha256="f" * 64))
    assert "99" in ids(store, WorkList.DAMAGED)
