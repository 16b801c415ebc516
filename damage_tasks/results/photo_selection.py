"""Selects examined photos, each with the inspection that says most about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import sqlalchemy as sa

from damage_tasks.results.decisions import is_valid, load_reviewed
from damage_tasks.results.search import has_ended
from damage_tasks.results.search_pages import MAX_PAGE, Position, find_rows
from damage_tasks.results.tables import decisions, inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from damage_tasks.inspection import Inspection
    from damage_tasks.results.store import Inspections

BATCH = 100  # photos of one query


def iter_photos(
    store: Inspections, *, decided: bool = False, since: datetime | None = None
) -> Iterator[Inspection]:
    """The inspections of examined photos, with people's decisions; each photo occurs once.

    ``decided`` selects photos that people have decided about, ``since`` those that were examined,
    or decided about, since then.  Raises `DatabaseUnavailable` or `DatabaseError`.
    """
    photos = iter(_decided(store, since) if decided else _examined(store, since))
    while some := list(islice(photos, BATCH)):
        with store.transaction() as connection:
            found = load_photos(connection, some)
        yield from found


def load_photos(connection: Connection, photo_sha256s: Sequence[str]) -> list[Inspection]:
    """For each of these photos that was examined, one inspection with people's decisions.

    That is the one that was decided last, or otherwise the last one.
    """
    order = sa.func.row_number().over(
        partition_by=inspections.c.photo_sha256,
        order_by=(
            inspections.c.decided_at.desc().nulls_last(),
            inspections.c.finished_at.desc(),
            inspections.c.id,
        ),
    )
    ranked = (
        sa.select(inspections.c.id, order.label("place"))
        .where(
            inspections.c.photo_sha256.in_(photo_sha256s),
            inspections.c.finding_id.is_not(None),
            has_ended(),
        )
        .subquery()
    )
    first = sa.select(ranked.c.id).where(ranked.c.place == 1)
    rows = connection.execute(
        sa.select(inspections)
        .where(inspections.c.id.in_(first))
        .order_by(inspections.c.photo_sha256)
    )
    return load_reviewed(connection, rows.all())


def _decided(store: Inspections, since: datetime | None) -> Sequence[str]:
    """The digests of photos that people have decided about since ``since``."""
    query = (
        sa.select(inspections.c.photo_sha256)
        .distinct()
        .join_from(decisions, inspections, decisions.c.inspection_id == inspections.c.id)
        .where(is_valid(), inspections.c.finding_id.is_not(None))
        .order_by(inspections.c.photo_sha256)
    )
    if since is not None:
        query = query.where(decisions.c.made_at >= since)
    with store.transaction() as connection:
        return connection.execute(query).scalars().all()


def _examined(store: Inspections, since: datetime | None) -> Iterator[str]:
    """The digests of photos that were examined since ``since``, the latest first."""
    seen: set[bytes] = set()
    after: Position | None = None
    while True:
        with store.transaction() as connection:
            rows = find_rows(connection, {"since": since}, MAX_PAGE, after)
        for row in rows:
            digest = bytes.fromhex(row.photo_sha256 or "")
            if row.finding_id is not None and digest not in seen:
                seen.add(digest)
                yield row.photo_sha256
        if len(rows) < MAX_PAGE:
            return
        after = Position(rows[-1].finished_at, rows[-1].id)
