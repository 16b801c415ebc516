"""Stores decisions of people next to the findings, and reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from damage_tasks.decision import Action, Decision, counting
from damage_tasks.errors import InspectionNotFound
from damage_tasks.results.erasure_locks import lock_inspections
from damage_tasks.results.rows import load_inspections, storable_json
from damage_tasks.results.tables import decisions, inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

    from damage_tasks.inspection import Inspection


def insert_decision(connection: Connection, decision: Decision) -> int:
    """Store ``decision`` and return its id; raises `InspectionNotFound`."""
    id = decision.inspection_id
    # Two people may decide at once; the later one waits here, and then sees the earlier one.
    if not lock_inspections(connection, [id]):
        raise InspectionNotFound(f"no inspection {id}")
    number = connection.execute(
        sa.insert(decisions).returning(decisions.c.id),
        {
            "inspection_id": id,
            "person": decision.person,
            "action": str(decision.action),
            "payload": storable_json(decision.payload),
            "seconds": decision.seconds,
            "bundle_digest": decision.bundle_digest,
            "made_at": decision.made_at,
        },
    ).scalar_one()
    _mark_decided(connection, id)
    return int(number)


def undo_decision(connection: Connection, decision: Decision) -> bool:
    """Mark ``decision`` as undone; False if it was undone or erased before."""
    lock_inspections(connection, [decision.inspection_id])
    changed = connection.execute(
        sa.update(decisions)
        .where(decisions.c.id == decision.id, decisions.c.undone_at.is_(None))
        .values(undone_at=datetime.now(UTC))
    ).rowcount
    _mark_decided(connection, decision.inspection_id)
    return changed == 1


def is_valid() -> sa.ColumnElement[bool]:
    """Excludes notes and undone decisions, which say nothing about a photo."""
    return sa.and_(decisions.c.undone_at.is_(None), decisions.c.action != str(Action.NOTE))


def find_decisions(connection: Connection, inspection_id: str) -> tuple[Decision, ...]:
    """All decisions about an inspection, including undone ones, oldest first."""
    return decisions_of(connection, [inspection_id]).get(inspection_id, ())


def load_reviewed(connection: Connection, rows: Sequence[Row[Any]]) -> list[Inspection]:
    """The inspections in rows of ``inspections``, with their findings and people's decisions."""
    ids = [row.id for row in rows]
    decided = decisions_of(connection, ids) if ids else {}
    return [
        replace(inspection, decisions=decided.get(inspection.id, ()))
        for inspection in load_inspections(connection, rows)
    ]


def decisions_of(
    connection: Connection, inspection_ids: Sequence[str] | sa.Select[Any]
) -> dict[str, tuple[Decision, ...]]:
    """The same for several inspections, by inspection; those without decisions are missing."""
    rows = connection.execute(
        sa.select(decisions)
        .where(decisions.c.inspection_id.in_(inspection_ids))
        .order_by(decisions.c.id)
    )
    found: dict[str, tuple[Decision, ...]] = {}
    for row in rows:
        found[row.inspection_id] = (*found.get(row.inspection_id, ()), _decision_of(row))
    return found


def last_decision(connection: Connection, person: str, since: datetime) -> Decision | None:
    """The latest decision of ``person`` since ``since`` that was not undone."""
    row = connection.execute(
        sa.select(decisions)
        .where(
            decisions.c.person == person,
            decisions.c.made_at >= since,
            decisions.c.undone_at.is_(None),
        )
        .order_by(decisions.c.made_at.desc(), decisions.c.id.desc())
        .limit(1)
    ).one_or_none()
    return _decision_of(row) if row else None


def decided_counts(connection: Connection, since: datetime) -> Sequence[tuple[str, int]]:
    """How many inspections each person has decided since ``since``, most first."""
    # PostgreSQL sorts all rows for count(DISTINCT), but not for SELECT DISTINCT.
    decided = (
        sa.select(decisions.c.person, decisions.c.inspection_id)
        .where(decisions.c.made_at >= since, is_valid())
        .distinct()
        .subquery()
    )
    number = sa.func.count()
    rows = connection.execute(
        sa.select(decided.c.person, number)
        .group_by(decided.c.person)
        .order_by(number.desc(), decided.c.person)
    )
    return [(person, count) for person, count in rows]


def _mark_decided(connection: Connection, inspection_id: str) -> None:
    """Set ``inspections.decided_at``, which takes the inspection off the work lists."""
    counted = counting(find_decisions(connection, inspection_id))
    connection.execute(
        sa.update(inspections)
        .where(inspections.c.id == inspection_id)
        .values(decided_at=counted[-1].made_at if counted else None)
    )


def _decision_of(row: Row[Any]) -> Decision:
    return Decision(
        id=row.id,
        inspection_id=row.inspection_id,
        person=row.person,
        action=Action(row.action),
        made_at=row.made_at,
        payload=row.payload,
        seconds=row.seconds,
        bundle_digest=row.bundle_digest,
        undone_at=row.undone_at,
    )
