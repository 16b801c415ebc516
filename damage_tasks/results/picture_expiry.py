"""Findings whose pictures, and decisions whose retention period, have expired."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from damage_tasks.results.column_types import Moment
from damage_tasks.results.row_erasure import BATCH
from damage_tasks.results.tables import decisions, findings, inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Conditions of the index in `search_indices`.
_HAS_PICTURES = findings.c.overlay_url.is_not(None)


def old_findings(connection: Connection, before: datetime, after: Any = None) -> list[Any]:
    """At most `BATCH` findings of before ``before`` that have pictures, the oldest first.

    Those after the row ``after``, the last of the rows before.
    """
    query = sa.select(
        findings.c.id,
        findings.c.created_at,
        findings.c.photo_sha256,
        findings.c.overlay_url,
        findings.c.mask_url,
    ).where(_HAS_PICTURES, findings.c.created_at < before)
    if after is not None:
        place = sa.tuple_(sa.literal(after.created_at, Moment()), sa.literal(after.id))
        query = query.where(sa.tuple_(findings.c.created_at, findings.c.id) > place)
    order = (findings.c.created_at, findings.c.id)
    return list(connection.execute(query.order_by(*order).limit(BATCH)))


def findings_in_use(connection: Connection, ids: Collection[int], since: datetime) -> set[int]:
    """The findings among ``ids`` of inspections that ended since ``since``."""
    query = sa.select(inspections.c.finding_id).where(
        inspections.c.finding_id.in_(ids), inspections.c.finished_at >= since
    )
    return set(connection.execute(query.distinct()).scalars())


def photos_in_use(connection: Connection, sha256s: Collection[str], since: datetime) -> set[str]:
    """The photos among ``sha256s`` of inspections that ended since ``since``."""
    query = sa.select(inspections.c.photo_sha256).where(
        inspections.c.photo_sha256.in_(sha256s), inspections.c.finished_at >= since
    )
    return set(connection.execute(query.distinct()).scalars())


def remove_pictures(connection: Connection, ids: Sequence[int]) -> None:
    """Record that the findings ``ids`` have no pictures any more."""
    connection.execute(
        sa.update(findings).where(findings.c.id.in_(ids)).values(overlay_url=None, mask_url=None)
    )


def delete_old_decisions(connection: Connection, before: datetime) -> int:
    """Delete at most `BATCH` decisions of before ``before``; returns their number."""
    some = sa.select(decisions.c.id).where(decisions.c.made_at < before).limit(BATCH)
    return connection.execute(sa.delete(decisions).where(decisions.c.id.in_(some))).rowcount
