"""Counts the inspections of work lists, without reading long lists to their end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from damage_tasks.results import work_lists

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from damage_tasks.results.work_lists import Selection

MAX_COUNT = 1000  # rows; a longer list is not counted to its end
# Filters have no index for every list, so that counting may take very long.
FILTERED_COUNT_SECONDS = 0.5

_QUERY_CANCELED = "57014"


class Count(NamedTuple):
    """The number of inspections in a list; there may be more unless it ``is_complete``."""

    number: int
    is_complete: bool


def count(connection: Connection, selection: Selection) -> Count:
    """The number of inspections of the selection among the first `MAX_COUNT` candidates."""
    number = examined = 0
    for candidates in work_lists.candidates(connection, selection, MAX_COUNT):
        listed = sa.func.count().filter(candidates.c.is_listed)
        of_part = connection.execute(sa.select(listed, sa.func.count())).one()
        number, examined = number + of_part[0], examined + of_part[1]
    return Count(min(number, MAX_COUNT), examined < MAX_COUNT)


def count_filtered(connection: Connection, selection: Selection) -> Count | None:
    """The same; None if PostgreSQL needs more than `FILTERED_COUNT_SECONDS`."""
    if connection.dialect.name != "postgresql":
        return count(connection, selection)
    try:
        with _limited(connection, FILTERED_COUNT_SECONDS):
            return count(connection, selection)
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "pgcode", None) != _QUERY_CANCELED:
            raise
        return None


@contextmanager
def _limited(connection: Connection, seconds: float) -> Iterator[None]:
    savepoint = connection.begin_nested()
    try:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")
        yield
    finally:
        # Also restores the timeout of the transaction.
        savepoint.rollback()
