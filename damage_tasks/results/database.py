"""Connections to PostgreSQL and SQLite, with a deadline for every operation."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from damage_tasks.errors import DatabaseError, DatabaseUnavailable
from damage_tasks.results.final_database_errors import is_final_refusal
from damage_tasks.results.postgres_deadline import (
    CONNECT_TIMEOUT_SECONDS,
    STATEMENT_TIMEOUT_SECONDS,
    WatchedConnection,
)

# Parameters that poolers accept too; the URL's own take precedence.
PARAMETERS = {
    "connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "application_name": "damage-tasks",
    # A database host that vanished is noticed after 30 s, not hours.
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_NOT_MIGRATED = frozenset({"42P01", "42703"})  # no such table, no such column
_INSUFFICIENT_PRIVILEGE = "42501"
_NEW_TRANSACTION = "damage_tasks_new_transaction"


def create_engine(url: str) -> sa.Engine:
    """An engine for PostgreSQL or SQLite with a deadline for every operation."""
    if url.startswith("sqlite"):
        database = sa.make_url(url).database
        if database and database != ":memory:":
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url, connect_args={"timeout": STATEMENT_TIMEOUT_SECONDS})
        sa.event.listen(engine, "connect", _prepare_sqlite)
        _fork_between_transactions(engine)
        return engine
    given = sa.make_url(url).query
    engine = sa.create_engine(
        url,
        pool_size=1,
        max_overflow=4,
        pool_pre_ping=True,
        pool_recycle=900,
        connect_args={
            "connection_factory": WatchedConnection,
            **{name: value for name, value in PARAMETERS.items() if name not in given},
        },
    )
    if "statement_timeout" not in str(given.get("options", "")):
        _limit_statements(engine)
    sa.event.listen(engine, "handle_error", _leave_old_primary)
    _leave_to_parent(engine)
    return engine


def open_unlimited_engine(url: str) -> sa.Engine:
    """An engine for PostgreSQL without transactions and deadlines, for statements that take long.

    The server's own limits still apply.
    """
    given = sa.make_url(url).query
    return sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
        connect_args={name: value for name, value in PARAMETERS.items() if name not in given},
    )


def dialect_insert(dialect: sa.Dialect, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT of PostgreSQL or SQLite: unlike the general one, it can say ON CONFLICT."""
    return (postgresql if dialect.name == "postgresql" else sqlite).insert(table)


@contextmanager
def database_errors() -> Iterator[None]:
    """Translate SQLAlchemy's errors to `DatabaseUnavailable` or `DatabaseError`."""
    try:
        yield
    except DBAPIError as error:
        text = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "lost"
        code = getattr(error.orig, "pgcode", None) or ""
        if text.startswith(("no such table", "no such column")) or code in _NOT_MIGRATED:
            raise DatabaseError(f"{text}; run `damage-tasks migrate`") from error
        temporary = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
        if not is_final_refusal(code, str(error.orig)) and (
            temporary or error.connection_invalidated
        ):
            raise DatabaseUnavailable(text) from error
        raise DatabaseError(text) from error
    except sa.exc.TimeoutError as error:
        raise DatabaseUnavailable("no free database connection") from error
    except SQLAlchemyError as error:
        raise DatabaseError(str(error)) from error


def lacks_privilege(error: DatabaseError) -> bool:
    """Whether PostgreSQL rejected a statement because this user may not execute it."""
    refusal = getattr(error.__cause__, "orig", None)
    return getattr(refusal, "pgcode", None) == _INSUFFICIENT_PRIVILEGE


def _limit_statements(engine: sa.Engine) -> None:
    """Limit the duration of each transaction's statements without an extra round trip.

    Poolers reject the limit as a start-up parameter, and between transactions they give the
    session, including its SET values, to another client.
    """

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.info[_NEW_TRANSACTION] = True

    @sa.event.listens_for(engine, "before_cursor_execute", retval=True)
    def execute(
        connection: sa.Connection, _cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> tuple[str, Any]:
        if connection.info.pop(_NEW_TRANSACTION, False):
            limit = f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_SECONDS * 1000}"
            statement = f"{limit}; {statement}"
        return statement, parameters


def _leave_to_parent(engine: sa.Engine) -> None:
    """After a fork, leave the connections to the parent: sharing one would mix up the results.

    https://docs.sqlalchemy.org/en/21/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
    """
    kept = weakref.ref(engine)

    def leave() -> None:
        if (inherited := kept()) is not None:
            inherited.dispose(close=False)

    os.register_at_fork(after_in_child=leave)


def _fork_between_transactions(engine: sa.Engine) -> None:
    """Let a fork wait until no thread uses a connection of this SQLite engine.

    SQLite keeps the locks of a process in that process's memory. A child that is forked during
    another thread's transaction inherits its locks, which nothing releases, and finds the database
    locked forever.  https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_
    """
    lock = threading.RLock()
    sa.event.listen(engine, "checkout", lambda *_: lock.acquire())
    sa.event.listen(engine, "checkin", lambda *_: lock.release())
    os.register_at_fork(
        before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
    )


def _leave_old_primary(context: sa.ExceptionContext) -> None:
    """Reconnect after a failover: the old primary may still answer, but is read-only."""
    if "in a read-only transaction" in str(context.original_exception):
        context.is_disconnect = True


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")  # readers do not wait for writers
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
