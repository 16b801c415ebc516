"""Pages of inspections that fulfil criteria, newest first.

A page begins after the last inspection of the page before, not after a number of rows, so
reading it takes the same time however far it is, and new inspections do not shift it.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from damage_tasks.errors import SearchInvalid
from damage_tasks.results.column_types import Moment
from damage_tasks.results.decisions import load_reviewed
from damage_tasks.results.search import conditions_of, has_ended
from damage_tasks.results.storable_text import storable
from damage_tasks.results.tables import inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

    from damage_tasks.contract import InspectionCriteria
    from damage_tasks.inspection import Inspection

MAX_PAGE = 1000  # inspections of one page


class Position(NamedTuple):
    """The last inspection of a page; the next page begins after it."""

    finished_at: datetime
    id: str

    def to_cursor(self) -> str:
        """An opaque text for callers."""
        text = json.dumps([self.finished_at.isoformat(), self.id])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def of_cursor(cls, cursor: str) -> Position:
        """The position of a cursor; raises `SearchInvalid`."""
        try:
            data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            moment, id = json.loads(data)
            finished_at = datetime.fromisoformat(moment)
            if finished_at.tzinfo is None:
                raise ValueError
            finished_at = finished_at.astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            raise SearchInvalid("cursor: use the cursor of the previous page unchanged") from None
        return cls(finished_at, storable(str(id)) or "")


def find_page(
    connection: Connection, criteria: InspectionCriteria, limit: int, cursor: str | None
) -> tuple[list[Inspection], str | None]:
    """At most ``limit`` inspections and, unless they are the last, the cursor of the next page.

    Raises `SearchInvalid`.
    """
    if not isinstance(limit, int) or not 1 <= limit <= MAX_PAGE:
        raise SearchInvalid(f"limit: must be a whole number from 1 to {MAX_PAGE}")
    after = Position.of_cursor(cursor) if cursor is not None else None
    rows = find_rows(connection, criteria, limit + 1, after)
    page = rows[:limit]
    found = load_reviewed(connection, page)
    if len(rows) <= limit:
        return found, None
    return found, Position(page[-1].finished_at, page[-1].id).to_cursor()


def find_rows(
    connection: Connection, criteria: InspectionCriteria, limit: int, after: Position | None
) -> list[Row[Any]]:
    """The rows of ``inspections`` that fulfil ``criteria``, newest first, at most ``limit``."""
    finished_at, id = inspections.c.finished_at, inspections.c.id
    conditions = conditions_of(criteria, connection.dialect.name)
    query = sa.select(inspections).where(has_ended(), *conditions)
    if after is not None:
        last = sa.tuple_(sa.literal(after.finished_at, Moment()), sa.literal(after.id))
        query = query.where(sa.tuple_(finished_at, id) < last)
    query = query.order_by(finished_at.desc(), id.desc()).limit(limit)
    return list(connection.execute(query))
