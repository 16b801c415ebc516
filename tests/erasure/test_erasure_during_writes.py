"""A write about a photo that is being erased leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from damage_tasks.damage_history import Evidence
from damage_tasks.decision import Action, Decision
from damage_tasks.errors import InspectionNotFound
from damage_tasks.inspection import PhotoFacts
from damage_tasks.results.car_photos import save_comparison
from damage_tasks.results.comparison_findings import save_comparison_finding
from damage_tasks.results.decisions import insert_decision, undo_decision
from damage_tasks.results.reexaminations import claim
from damage_tasks.results.row_erasure import delete_inspections, next_inspections
from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import metadata
from damage_tasks.results.work_lists import assign
from damage_tasks.review.recording import record
from tools.sample_pictures_and_results import BUNDLE, damage, finding, inspection

pytestmark = pytest.mark.server

SHA256 = "5" * 64
Write = Callable[[Connection], object]


def decide(connection: Connection) -> object:
    return insert_decision(connection, Decision("mine", "bob", Action.CONFIRM, datetime.now(UTC)))


def undo(connection: Connection) -> object:
    made = Decision("mine", "ann", Action.NOTE, datetime.now(UTC), {"text": "seen"}, id=1)
    return undo_decision(connection, made)


def compare_with_bundle(connection: Connection) -> object:
    return save_comparison_finding(connection, SHA256, BUNDLE, finding(damage()), {})


WRITES: dict[str, Write] = {
    "decision": decide,
    "undo": undo,
    "assignment": lambda connection: assign(connection, "mine", "ann"),
    "comparison of cars": lambda connection: save_comparison(
        connection, "other", "mine", 1, [Evidence.ABSENT]
    ),
    "finding of another bundle": compare_with_bundle,
    "claim of a rerun": lambda connection: claim(connection, SHA256, "b" * 64, timedelta(hours=1)),
}


@pytest.fixture
def store(migrated_postgres_url: str) -> Iterator[Inspections]:
    store = Inspections(migrated_postgres_url)
    facts = PhotoFacts(SHA256, 1000, 640, 480)
    store.save(inspection("mine", finding(damage()), sha256=SHA256, photo=facts))
    store.save(inspection("other", finding(damage())))
    record(store, "mine", "ann", "note", {"text": "seen"})
    yield store
    store.close()


def erase(connection: Connection) -> object:
    rows = next_inspections(connection, {"photo": SHA256})
    return delete_inspections(connection, rows)


def run_while_uncommitted(store: Inspections, first: Write, second: Write) -> Future[object]:
    """What ``second`` gets, which begins when ``first`` is done and waits for its commit."""

    def in_transaction() -> object:
        with store.transaction() as connection:
            return second(connection)

    with ThreadPoolExecutor() as other:
        with store.transaction() as connection:
            first(connection)
            waiting = other.submit(in_transaction)
            while not waiting.done() and not _anybody_waits(connection):
                time.sleep(0.01)
        waiting.exception()
    return waiting


def _anybody_waits(connection: Connection) -> bool:
    query = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"
    return bool(connection.execute(sa.text(query)).scalar())


def traces(store: Inspections) -> list[str]:
    """All rows that name the erased photo."""
    with store.transaction() as connection:
        rows = [
            f"{table.name}: {row}"
            for table in metadata.sorted_tables
            for row in connection.execute(sa.select(table))
        ]
    return [row for row in rows if "'mine'" in row or SHA256 in row]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_that_an_erasure_waits_for_is_erased_too(store: Inspections, write: Write) -> None:
    run_while_uncommitted(store, write, erase).result()
    assert traces(store) == []


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_nothing_is_written_about_a_photo_that_is_being_erased(
    store: Inspections, write: Write
) -> None:
    written = run_while_uncommitted(store, erase, write)
    if write is decide:
        assert isinstance(written.exception(), InspectionNotFound)
    else:
        assert not written.result()
    assert traces(store) == []
