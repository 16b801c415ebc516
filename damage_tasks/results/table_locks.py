"""Waits for locks of tables in a way that hardly delays others: briefly, and again after a pause.

On PostgreSQL, every later statement that uses a table waits behind a statement that waits for the
table's exclusive lock.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from damage_tasks.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_SECONDS = 2.0
FURTHER_LOCK_TIMEOUT_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 1.0  # doubled after each attempt
MAX_PAUSE_SECONDS = 15.0
PATIENCE_SECONDS = 300.0  # less than the time limit of the chart's migration job
_LOCK_NOT_AVAILABLE = "55P03"
_LOCKING = ("ALTER", "DROP", "LOCK")


def limit_lock_waits(connection: sa.Connection) -> None:
    """Limit each wait for a lock in the current transaction; SQLite has its own limit.

    The limit is shorter once the transaction has locked a table, because others wait for that table
    too.
    """
    if connection.dialect.name == "postgresql":
        _set_limit(connection, LOCK_TIMEOUT_SECONDS)
        event.listen(connection, "after_cursor_execute", _shorten)


def _shorten(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
    if statement.startswith(_LOCKING):
        _set_limit(connection, FURTHER_LOCK_TIMEOUT_SECONDS)


def _set_limit(connection: sa.Connection, seconds: float) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(1000 * seconds)}")


def repeat_while_locked(act: Callable[[], None], patience: float = PATIENCE_SECONDS) -> None:
    """Call ``act``, again and again if it does not get a lock in time.

    Raises `DatabaseUnavailable` after about ``patience`` seconds.
    """
    end, pause = time.monotonic() + patience, FIRST_PAUSE_SECONDS
    while True:
        try:
            return act()
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
                raise
            if time.monotonic() + pause > end:
                raise DatabaseUnavailable(
                    f"others held a lock for {patience:.0f} s: end their transactions "
                    "(pg_stat_activity shows them), then run `damage-tasks migrate` again"
                ) from error
            logger.warning("others hold a lock; trying again in %.0f s", pause)
        time.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)
