"""Deletes inspections with every row that belongs to them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from damage_tasks.results.column_types import Moment
from damage_tasks.results.comparison_findings import delete_comparison_findings
from damage_tasks.results.delivery import DeliveryState, EventType
from damage_tasks.results.erasure_locks import lock_inspections
from damage_tasks.results.reexaminations import delete_reexaminations
from damage_tasks.results.search import conditions_of
from damage_tasks.results.tables import (
    car_comparisons,
    deliveries,
    findings,
    inspections,
    metadata,
    progress,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

    from damage_tasks.contract import InspectionCriteria

# Rows of one transaction: enough for one request to S3, and few enough that nothing is locked for
# long.
BATCH = 1000

_COLUMNS = (
    inspections.c.id,
    inspections.c.photo_sha256,
    inspections.c.photo_url,
    inspections.c.finding_id,
    inspections.c.case_id,
    inspections.c.finished_at,
)


@dataclass(frozen=True, slots=True)
class Unshared:
    """The objects of some inspections that no other inspection refers to.

    ``photos`` are digests of photos, and ``pictures`` addresses of overlays and masks.
    """

    photos: frozenset[str]
    pictures: tuple[str, ...]


def count_inspections(connection: Connection, criteria: InspectionCriteria, limit: int) -> int:
    """The number of inspections that fulfil ``criteria``, at most ``limit``."""
    conditions = conditions_of(criteria, connection.dialect.name)
    found = sa.select(sa.literal(1)).select_from(inspections).where(*conditions).limit(limit)
    return int(
        connection.execute(sa.select(sa.func.count()).select_from(found.subquery())).scalar_one()
    )


def next_inspections(connection: Connection, criteria: InspectionCriteria) -> list[Any]:
    """Some inspections that fulfil ``criteria``, whatever their state; at most `BATCH`."""
    conditions = conditions_of(criteria, connection.dialect.name)
    return list(connection.execute(sa.select(*_COLUMNS).where(*conditions).limit(BATCH)))


def oldest_inspections(connection: Connection, before: datetime, after: Any = None) -> list[Any]:
    """At most `BATCH` inspections that ended before ``before``, the oldest first.

    Those after the row ``after``, the last of the rows before: a search from the beginning would
    pass the entries of all rows that were just deleted.
    """
    query = sa.select(*_COLUMNS).where(inspections.c.finished_at < before)
    if after is not None:
        place = sa.tuple_(sa.literal(after.finished_at, Moment()), sa.literal(after.id))
        # The first condition finds the place in the index of the time alone.
        query = query.where(
            inspections.c.finished_at >= after.finished_at,
            sa.tuple_(inspections.c.finished_at, inspections.c.id) > place,
        )
    order = (inspections.c.finished_at, inspections.c.id)
    return list(connection.execute(query.order_by(*order).limit(BATCH)))


def find_unshared(connection: Connection, rows: Sequence[Row[Any]]) -> Unshared:
    """The objects that only the inspections in ``rows`` refer to."""
    is_other = inspections.c.id.not_in([row.id for row in rows])
    photos = {row.photo_sha256 for row in rows if row.photo_sha256}
    others = sa.select(inspections.c.photo_sha256).where(
        inspections.c.photo_sha256.in_(photos), is_other
    )
    shared = set(connection.execute(others.distinct()).scalars())
    is_used = sa.exists().where(inspections.c.finding_id == findings.c.id, is_other)
    pictures = connection.execute(
        sa.select(findings.c.overlay_url, findings.c.mask_url).where(
            findings.c.id.in_({row.finding_id for row in rows}), ~is_used
        )
    )
    return Unshared(
        frozenset(photos - shared), tuple(url for pair in pictures for url in pair if url)
    )


def delete_inspections(connection: Connection, rows: Sequence[Row[Any]]) -> Counter[str]:
    """Delete the inspections in ``rows`` and all that belongs to them.

    Returns how many of their events had been delivered, by destination.
    """
    ids = [row.id for row in rows]
    # Before anything is deleted: what others are writing about them is then committed.
    lock_inspections(connection, ids)
    delivered = connection.execute(
        sa.select(deliveries.c.destination, sa.func.count().label("number"))
        .where(deliveries.c.inspection_id.in_(ids), deliveries.c.state == DeliveryState.DELIVERED)
        .group_by(deliveries.c.destination)
    )
    counts = Counter({row.destination: row.number for row in delivered})
    for table in metadata.tables.values():
        if "inspection_id" in table.c:
            connection.execute(sa.delete(table).where(table.c.inspection_id.in_(ids)))
    connection.execute(sa.delete(car_comparisons).where(car_comparisons.c.earlier_id.in_(ids)))
    connection.execute(sa.delete(progress).where(progress.c.id.in_(ids)))
    if cases := {row.case_id for row in rows if row.case_id}:
        _delete_case_events(connection, cases)
    connection.execute(sa.delete(inspections).where(inspections.c.id.in_(ids)))
    photos = {row.photo_sha256 for row in rows if row.photo_sha256}
    delete_comparison_findings(connection, photos)
    delete_reexaminations(connection, photos)
    is_used = sa.exists().where(inspections.c.finding_id == findings.c.id)
    connection.execute(
        sa.delete(findings).where(findings.c.id.in_({row.finding_id for row in rows}), ~is_used)
    )
    return counts


def delete_ended_deliveries(connection: Connection, before: datetime) -> int:
    """Delete at most `BATCH` deliveries that ended before ``before``; returns their number."""
    some = (
        sa.select(deliveries.c.id)
        .where(
            deliveries.c.state.in_([str(DeliveryState.DELIVERED), str(DeliveryState.FAILED)]),
            deliveries.c.ended_at < before,
        )
        .limit(BATCH)
    )
    return connection.execute(sa.delete(deliveries).where(deliveries.c.id.in_(some))).rowcount


def _delete_case_events(connection: Connection, cases: Collection[str]) -> None:
    """Delete events about whole cases, which name their inspections and photos."""
    is_of_case = deliveries.c.type == EventType.CASE_COMPLETED
    connection.execute(sa.delete(deliveries).where(is_of_case, deliveries.c.case_id.in_(cases)))
    # Workers of earlier versions did not store the case of an event.
    without_case = (is_of_case, deliveries.c.case_id.is_(None))
    if connection.execute(sa.select(deliveries.c.id).where(*without_case).limit(1)).first():
        for case_id in cases:
            text = f'"case_id":{json.dumps(case_id, ensure_ascii=False)}'
            is_named = deliveries.c.body.contains(text, autoescape=True)
            connection.execute(sa.delete(deliveries).where(*without_case, is_named))
