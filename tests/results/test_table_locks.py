"""A migration that waits for a table delays others only briefly, and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from damage_tasks.errors import DatabaseUnavailable
from damage_tasks.results import table_locks
from damage_tasks.results.database import create_engine
from damage_tasks.results.schema_upgrade import migrate, revisions
from damage_tasks.results.table_locks import (
    LOCK_TIMEOUT_SECONDS,
    limit_lock_waits,
    repeat_while_locked,
)
from tools.migration_check.lock_watch import LockWatch
from tools.old_schemas import all_revisions, create_schema

pytestmark = pytest.mark.server
PREVIOUS, NEWEST = all_revisions()[-2:]


@contextmanager
def long_report(url: str) -> Iterator[None]:
    """Somebody's transaction that has read the inspections and stays open."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT count(*) FROM inspections"))
        yield
    engine.dispose()


@pytest.mark.slow
def test_during_a_long_report_others_wait_no_longer_than_the_limit(postgres_url: str) -> None:
    create_schema(postgres_url, "0001")
    engine = sa.create_engine(postgres_url)
    migration = threading.Thread(target=migrate, args=(postgres_url,))
    waits = []
    with long_report(postgres_url):
        migration.start()
        end = time.monotonic() + LOCK_TIMEOUT_SECONDS + 2
        while time.monotonic() < end:
            begun = time.monotonic()
            with engine.connect() as connection:
                connection.execute(sa.text("SELECT 1 FROM inspections"))
            waits.append(time.monotonic() - begun)
            time.sleep(0.05)
        assert revisions(postgres_url)[0] == "0001"
    migration.join(60)
    engine.dispose()
    assert revisions(postgres_url) == (NEWEST, NEWEST)
    assert 0.5 < max(waits) < LOCK_TIMEOUT_SECONDS + 1.5


def test_a_table_that_is_locked_already_does_not_wait_long_for_the_next_one(
    postgres_url: str,
) -> None:
    create_schema(postgres_url, PREVIOUS)
    engine = create_engine(postgres_url)
    watch = LockWatch(postgres_url)
    watch.start()

    def change_both() -> None:
        with engine.begin() as connection:
            limit_lock_waits(connection)
            for table in ("findings", "inspections"):
                connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN more text")

    with long_report(postgres_url), pytest.raises(sa.exc.OperationalError, match="lock timeout"):
        change_both()
    watch.stop()
    engine.dispose()
    assert 0.4 < watch.exclusive["findings"] < 1.0


def test_after_a_while_it_gives_up_and_says_what_to_do(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_locks, "LOCK_TIMEOUT_SECONDS", 0.1)
    create_schema(postgres_url, PREVIOUS)
    engine = create_engine(postgres_url)

    def change() -> None:
        with engine.begin() as connection:
            limit_lock_waits(connection)
            connection.exec_driver_sql("LOCK TABLE inspections IN ACCESS EXCLUSIVE MODE")

    with long_report(postgres_url), pytest.raises(DatabaseUnavailable, match="pg_stat_activity"):
        repeat_while_locked(change, patience=0.5)
    repeat_while_locked(change, patience=0)
    engine.dispose()


def test_another_error_is_not_repeated(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    attempts = []

    def change() -> None:
        attempts.append(1)
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE inspections ADD COLUMN more text")

    with pytest.raises(sa.exc.ProgrammingError):
        repeat_while_locked(change)
    assert len(attempts) == 1
    engine.dispose()
