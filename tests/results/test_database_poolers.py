"""Inspections are stored through a PgBouncer that pools transactions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from damage_tasks.errors import DatabaseError, DatabaseUnavailable
from damage_tasks.results import database
from damage_tasks.results.schema_upgrade import migrate, revisions
from damage_tasks.results.store import Inspections
from tools.pgbouncer import PgBouncer
from tools.sample_pictures_and_results import damage, finding, inspection


@pytest.fixture(scope="module")
def pgbouncer(postgres_server: str) -> Iterator[PgBouncer]:
    pgbouncer = PgBouncer(postgres_server).start()
    yield pgbouncer
    pgbouncer.stop()


@pytest.fixture
def pooled_url(pgbouncer: PgBouncer, postgres_url: str) -> str:
    """A new, empty database, reached through one connection for all clients."""
    return pgbouncer.url(postgres_url)


def test_a_database_is_migrated_and_used_through_a_pooler(pooled_url: str) -> None:
    migrate(pooled_url)
    current, newest = revisions(pooled_url)
    assert current == newest
    first, second = Inspections(pooled_url), Inspections(pooled_url)
    photo = inspection("task-1", finding=finding(damage()))
    assert first.save(photo) == photo
    assert second.find("task-1") == photo
    assert second.save(inspection("task-2")).id == "task-2"
    first.check()
    first.close()
    second.close()


def timeout_of(connection: sa.Connection) -> str:
    return str(connection.execute(sa.text("SHOW statement_timeout")).scalar())


def test_every_statement_has_a_limit_that_other_clients_do_not_see(pooled_url: str) -> None:
    ours = database.create_engine(pooled_url)
    theirs = sa.create_engine(pooled_url)
    for _ in range(2):
        with ours.begin() as connection:
            assert timeout_of(connection) == "15s"
            assert timeout_of(connection) == "15s"
        with theirs.begin() as connection:
            assert timeout_of(connection) == "0"
    ours.dispose()
    theirs.dispose()


def test_a_statement_that_takes_too_long_is_cancelled(
    pooled_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STATEMENT_TIMEOUT_SECONDS", 1)
    engine = database.create_engine(pooled_url)
    with (
        pytest.raises(DatabaseUnavailable, match="statement timeout"),
        database.database_errors(),
        engine.begin() as connection,
    ):
        connection.execute(sa.text("SELECT pg_sleep(10)"))
    engine.dispose()


def test_the_limit_costs_no_round_trip(postgres_url: str) -> None:
    engine = database.create_engine(postgres_url)
    sent = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def record(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    with engine.begin() as connection:
        connection.execute(sa.text("SELECT 1"))
        connection.execute(sa.text("SELECT 2"))
    assert sent == ["SET LOCAL statement_timeout = 15000; SELECT 1", "SELECT 2"]
    engine.dispose()


def test_options_of_the_url_are_kept(postgres_url: str) -> None:
    url = sa.make_url(postgres_url).update_query_dict(
        {"options": "-c search_path=damage -c statement_timeout=7000", "application_name": "mine"}
    )
    engine = database.create_engine(url.render_as_string(hide_password=False))
    with engine.begin() as connection:
        assert timeout_of(connection) == "7s"
        assert connection.execute(sa.text("SHOW search_path")).scalar() == "damage"
        assert connection.execute(sa.text("SHOW application_name")).scalar() == "mine"
    engine.dispose()


def test_options_that_a_pooler_refuses_are_a_final_error(pooled_url: str) -> None:
    with pytest.raises(DatabaseError, match="unsupported startup parameter"):
        Inspections(f"{pooled_url}?options=-c%20search_path%3Ddamage").check()


def test_a_database_that_does_not_exist_is_a_final_error(
    postgres_server: str, pgbouncer: PgBouncer
) -> None:
    missing = sa.make_url(postgres_server).set(database="nowhere")
    direct = missing.render_as_string(hide_password=False)
    for url in (direct, pgbouncer.url(direct)):
        with pytest.raises(DatabaseError, match='"nowhere" does not exist') as caught:
            Inspections(url).check()
        assert "migrate" not in str(caught.value)


def test_missing_tables_are_a_final_error_that_names_the_command(postgres_url: str) -> None:
    with pytest.raises(DatabaseError, match="run `damage-tasks migrate`"):
        Inspections(postgres_url).check()


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("FATAL:  Feature not supported: RDS Proxy currently doesn't support command-line options",
         True),
        ('FATAL:  password authentication failed for user "damage"', True),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "damage"', True),
        ("server does not support SSL, but SSL was required", True),
        ("FATAL:  SASL authentication failed", True),
        ('FATAL:  role "damage" is not permitted to log in', True),
        ('FATAL:  role "damage" does not exist', True),
        ("fe_sendauth: no password supplied", True),
        ("FATAL:  no such user: damage", True),
        ("SSL error: certificate verify failed", True),
        ("FATAL:  the database system is starting up", False),
        ("FATAL:  the database system is not yet accepting connections", False),
        ("FATAL:  sorry, too many clients already", False),
        ("FATAL:  remaining connection slots are reserved for superusers", False),
        ("FATAL:  query_wait_timeout", False),
        ("FATAL:  server login has been failing, try again later (server_login_retry)", False),
        ("FATAL:  no more connections allowed (max_client_conn)", False),
        ("connection refused", False),
        ('could not translate host name "db" to address: Name or service not known', False),
    ],
)  # fmt: skip
def test_refusals_are_distinguished_from_outages(text: str, final: bool) -> None:
    from psycopg2 import OperationalError

    error = sa.exc.OperationalError("SELECT 1", {}, OperationalError(text))
    expected = DatabaseError if final else DatabaseUnavailable
    with pytest.raises(expected, match="."), database.database_errors():
        raise error
