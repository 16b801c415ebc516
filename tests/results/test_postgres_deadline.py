"""Our deadlines cancel our own statements, and no others in the process."""

from __future__ import annotations

import subprocess
import sys

import psycopg2
import pytest
import sqlalchemy as sa
from psycopg2 import extensions

from damage_tasks.results import database, postgres_deadline

# A web backend with its own PostgreSQL that reads a verdict, as `get_inspection` does.
CALLER = """
import io, os, time
import psycopg2, sqlalchemy as sa

own = psycopg2.connect(sa.make_url(os.environ["DAMAGE_DATABASE_URL"]).set(drivername="postgresql")
                       .render_as_string(hide_password=False))
own.autocommit = True
cursor = own.cursor()
cursor.execute("CREATE TABLE report (n int)")

from damage_tasks.results import postgres_deadline
postgres_deadline.ANSWER_TIMEOUT_SECONDS = 1
from damage_tasks import get_inspection
assert get_inspection("no-such-id") is None

cursor.copy_expert("COPY report FROM STDIN", io.StringIO("1\\n2\\n"))
cursor.execute("SELECT pg_sleep(2.5)")
cursor.execute("SELECT count(*) FROM report")
assert cursor.fetchone() == (2,)
assert psycopg2.extensions.get_wait_callback() is None
"""


def test_a_callers_copy_and_long_statements_are_not_affected(
    migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_DATABASE_URL", migrated_postgres_url)
    done = subprocess.run(
        [sys.executable, "-c", CALLER], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def engine(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    extensions.set_wait_callback(None)
    monkeypatch.setattr(postgres_deadline, "ANSWER_TIMEOUT_SECONDS", 0.5)
    return database.create_engine(postgres_url)


def test_our_own_statement_ends_at_the_deadline(engine: sa.Engine) -> None:
    with (
        pytest.raises(sa.exc.OperationalError, match="no answer after 0.5 s"),
        engine.begin() as connection,
    ):
        connection.execute(sa.text("SELECT pg_sleep(10)"))
    with engine.begin() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_a_deadline_that_has_passed_leaves_the_next_statement_alone(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for _ in range(20):
            connection.execute(sa.text("SELECT pg_sleep(0.05)"))
    engine.dispose()


def test_other_errors_keep_their_text(engine: sa.Engine) -> None:
    with engine.begin() as connection, pytest.raises(sa.exc.DBAPIError) as caught:
        connection.execute(sa.text("SELECT 1 / 0"))
    assert isinstance(caught.value.orig, psycopg2.errors.DivisionByZero)
    engine.dispose()
