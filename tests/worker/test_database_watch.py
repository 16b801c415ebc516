"""A worker notices a database that refuses it, which an outage is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from damage_tasks.errors import DatabaseError
from damage_tasks.results.store import Inspections
from damage_tasks.worker.database_watch import DatabaseWatch
from damage_tasks.worker.outcome_alerts import WorkerMonitor

STATEMENTS = Callable[[str], None]


@pytest.fixture
def role_url(migrated_postgres_url: str) -> Iterator[tuple[str, STATEMENTS]]:
    """A migrated database as a role that only has what a worker needs, and a way to change it."""
    engine = sa.create_engine(migrated_postgres_url, isolation_level="AUTOCOMMIT")

    def execute(statement: str) -> None:
        with engine.connect() as connection:
            connection.execute(sa.text(statement))

    execute("CREATE ROLE worker LOGIN PASSWORD 'first'")
    execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO worker")
    execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO worker")
    url = sa.make_url(migrated_postgres_url).set(username="worker", password="first")
    yield url.render_as_string(hide_password=False), execute
    execute("DROP OWNED BY worker")
    execute("DROP ROLE worker")
    engine.dispose()


@pytest.mark.parametrize(
    ("breaks", "mends", "reason"),
    [
        ("REVOKE INSERT ON inspections FROM worker", "GRANT INSERT ON inspections TO worker",
         "permission denied for table inspections"),
        ("REVOKE UPDATE ON findings FROM worker", "GRANT UPDATE ON findings TO worker",
         "permission denied for table findings"),
        ("ALTER ROLE worker NOLOGIN", "ALTER ROLE worker LOGIN", "not permitted to log in"),
        ("ALTER TABLE damages RENAME TO harm", "ALTER TABLE harm RENAME TO damages",
         "run `damage-tasks migrate`"),
        ("ALTER TABLE findings RENAME mask_url TO mask",
         "ALTER TABLE findings RENAME mask TO mask_url", "run `damage-tasks migrate`"),
    ],
)  # fmt: skip
def test_a_refusal_that_begins_later_is_noticed_and_so_is_its_end(
    role_url: tuple[str, STATEMENTS], breaks: str, mends: str, reason: str
) -> None:
    url, execute = role_url
    watch = DatabaseWatch(lambda: Inspections(url))
    watch.check()
    assert watch.refusal is None
    execute(breaks)
    watch.check()
    assert reason in (watch.refusal or "")
    execute(mends)
    watch.check()
    assert watch.refusal is None


def test_the_table_of_events_matters_only_if_there_are_targets_for_them(
    role_url: tuple[str, STATEMENTS],
) -> None:
    url, execute = role_url
    execute("REVOKE INSERT ON deliveries FROM worker")
    for targets, reason in (((), ""), (("https://events.example/",), "permission denied")):
        watch = DatabaseWatch(lambda targets=targets: Inspections(url, targets))  # type: ignore[misc]
        watch.check()
        assert reason in (watch.refusal or "")
        assert bool(reason) == bool(watch.refusal)


def test_a_check_writes_nothing(migrated_postgres_url: str) -> None:
    store = Inspections(migrated_postgres_url)
    store.check_writable()
    assert store.counts() == {}
    store.close()


def test_an_outage_is_not_a_refusal() -> None:
    watch = DatabaseWatch(lambda: Inspections("postgresql+psycopg2://x:y@127.0.0.1:9/damage"))
    watch.check()
    assert watch.refusal is None


def test_a_photo_that_the_database_refuses_has_it_checked_at_once() -> None:
    monitor = WorkerMonitor()
    monitor.database = DatabaseWatch(lambda: Inspections("sqlite://"), interval=1000)  # no tables
    monitor.database.start()
    monitor.failed("task-1", ValueError("something else"))
    time.sleep(0.3)
    assert monitor.database.refusal is None
    monitor.failed("task-2", DatabaseError("permission denied"))
    end = time.monotonic() + 5
    while monitor.database.refusal is None and time.monotonic() < end:
        time.sleep(0.01)
    assert "no such table" in (monitor.database.refusal or "")
