"""The progress of photos without a verdict never replaces a verdict or a later attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from damage_tasks.inspection import Inspection, Progress, State, Verdict
from damage_tasks.results.store import Inspections
from tools.sample_pictures_and_results import failed_inspection, inspection, retrying

NOW = datetime.now(UTC)
RETRYING = retrying(NOW)


def test_a_stored_inspection_is_found(store: Inspections) -> None:
    assert store.find_outcome("task-1") is None
    store.save_progress(RETRYING)
    assert store.find_progress("task-1") == store.find_outcome("task-1") == RETRYING


@pytest.mark.parametrize(
    ("change", "overwrites"),
    [
        ({"receives": 2}, True),
        ({"receives": 3}, True),
        ({"receives": 1}, False),
        # A retry is a separate message.
        ({"receives": 1, "message_sent_at": NOW + timedelta(seconds=1)}, True),
        ({"receives": 9, "message_sent_at": NOW - timedelta(seconds=1)}, False),
    ],
)
def test_an_older_attempt_does_not_overwrite_a_later_one(
    store: Inspections, change: dict[str, object], overwrites: bool
) -> None:
    store.save_progress(RETRYING)
    other = replace(RETRYING, state=State.RUNNING, reason=None, **change)  # type: ignore[arg-type]
    store.save_progress(other)
    assert store.find_progress("task-1") == (other if overwrites else RETRYING)


def test_an_attempt_that_had_the_photo_is_remembered(store: Inspections) -> None:
    store.save_progress(replace(RETRYING, had_photo=True))
    store.save_progress(replace(RETRYING, receives=3))
    found = store.find_progress("task-1")
    assert found is not None and found.had_photo and found.receives == 3


@pytest.mark.parametrize("ended", [inspection("task-1"), failed_inspection()])
def test_nothing_is_stored_after_a_verdict(store: Inspections, ended: Inspection) -> None:
    store.save(ended)
    store.save_progress(RETRYING)
    assert store.find_progress("task-1") is None
    assert store.find_outcome("task-1") == ended


@pytest.mark.parametrize("ended", [inspection("task-1"), failed_inspection()])
def test_a_verdict_is_shown_before_what_was_left_of_its_progress(
    store: Inspections, ended: Inspection
) -> None:
    store.save_progress(RETRYING)
    store.save(ended)
    assert store.find_outcome("task-1") == ended


def test_a_failure_is_provisional_until_its_time(store: Inspections) -> None:
    store.save(failed_inspection(final_after=datetime.now(UTC) + timedelta(seconds=60)))
    found = store.find_outcome("task-1")
    assert isinstance(found, Progress) and found.state is State.RUNNING
    # The last attempt began after the previous one had failed.
    store.save_progress(replace(RETRYING, updated_at=NOW - timedelta(days=999)))
    found = store.find_outcome("task-1")
    assert isinstance(found, Progress) and found.state is State.RUNNING
    given_up = failed_inspection(final_after=datetime.now(UTC) - timedelta(seconds=1))
    store.save(given_up)
    assert store.find_outcome("task-1") == given_up


def test_a_failure_that_is_final_replaces_a_provisional_one(store: Inspections) -> None:
    store.save(failed_inspection(final_after=datetime.now(UTC) + timedelta(seconds=60)))
    assert store.save(failed_inspection()) == store.find_outcome("task-1") == failed_inspection()


def test_only_a_provisional_failure_is_withdrawn(store: Inspections) -> None:
    store.save(failed_inspection())
    store.withdraw_failure("task-1")
    assert store.find("task-1") == failed_inspection()
    store.save(failed_inspection(final_after=NOW))
    store.withdraw_failure("task-1")
    assert store.find("task-1") is None


def test_what_ended_is_forgotten_and_so_is_what_is_older_than_any_message(
    store: Inspections,
) -> None:
    store.save_progress(RETRYING)
    store.save_progress(replace(RETRYING, id="old", updated_at=NOW - timedelta(days=16)))
    store.forget_old_progress()
    assert store.find_progress("old") is None
    store.forget_progress("task-1")
    assert store.find_progress("task-1") is None


def test_workers_of_the_version_before_find_their_tables_unchanged(store: Inspections) -> None:
    store.save(failed_inspection(final_after=datetime.now(UTC) + timedelta(seconds=60)))
    # A row as version 0001 writes it, without `final_after`.
    with store.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO inspections (id, verdict, reused, timings_ms, attempts, metadata,"
                " finished_at) VALUES ('task-1', 'clean', false, '{}', 2, '{}', :now) "
                "ON CONFLICT (id) DO UPDATE SET verdict = excluded.verdict, reason_code = NULL,"
                " attempts = excluded.attempts WHERE inspections.verdict = 'failed'"
            ),
            {"now": NOW},
        )
    found = store.find_outcome("task-1")
    assert isinstance(found, Inspection) and found.verdict is Verdict.CLEAN


def test_a_database_of_the_version_before_shows_no_progress_and_does_no_harm(
    store: Inspections,
) -> None:
    store.save(failed_inspection(final_after=datetime.now(UTC) + timedelta(seconds=60)))
    with store.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE progress"))
    found = store.find_outcome("task-1")
    assert isinstance(found, Progress) and found.state is State.RUNNING
