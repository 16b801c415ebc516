"""Locks that keep rows about an inspection and its erasure apart.

A process that writes about an inspection or a photo locks it first, in the same transaction. An
erasure then waits until that is committed and deletes it too, or else the process waits and finds
no inspection to write about.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import sqlalchemy as sa

from damage_tasks.results.tables import inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def lock_inspections(connection: Connection, ids: Collection[str]) -> set[str]:
    """Lock the inspections ``ids`` against all changes; returns those that exist."""
    _begin_writing(connection)
    return set(connection.execute(_rows_of(ids).with_for_update()).scalars())


def keep_inspections(connection: Connection, ids: Collection[str]) -> set[str]:
    """Lock the inspections ``ids`` against erasure alone; returns those that exist."""
    _begin_writing(connection)
    kept = _rows_of(ids).with_for_update(read=True, key_share=True)
    return set(connection.execute(kept).scalars())


def keep_photo(connection: Connection, photo_sha256: str) -> bool:
    """Lock one inspection of the photo against erasure; False if there is none."""
    _begin_writing(connection)
    kept = (
        sa.select(inspections.c.id)
        .where(inspections.c.photo_sha256 == photo_sha256)
        .limit(1)
        .with_for_update(read=True, key_share=True)
    )
    return connection.execute(kept).first() is not None


def _rows_of(ids: Collection[str]) -> sa.Select[str]:
    # Transactions that lock several rows in the same order cannot wait for each other.
    query = sa.select(inspections.c.id).where(inspections.c.id.in_(ids))
    return query.order_by(inspections.c.id)


def _begin_writing(connection: Connection) -> None:
    """Lock SQLite, which has no locks of rows, against other writers."""
    if connection.dialect.name != "sqlite":
        return
    # The driver begins a transaction only at the first change, after the inspection was found.
    if not connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
        connection.exec_driver_sql("BEGIN IMMEDIATE")
