"""Other inspections of the same car or case, and what was found by comparing them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from damage_tasks.damage_history import Evidence
from damage_tasks.inspection import Inspection, Verdict
from damage_tasks.results.database import dialect_insert
from damage_tasks.results.decisions import load_reviewed
from damage_tasks.results.erasure_locks import keep_inspections
from damage_tasks.results.search import conditions_of, has_ended
from damage_tasks.results.storable_text import storable
from damage_tasks.results.tables import car_comparisons, inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Photos without a case that were examined within this time may be of the same occasion.
SAME_OCCASION = timedelta(hours=1)


def find_case_photos(
    connection: Connection, inspection: Inspection, limit: int
) -> list[Inspection]:
    """At most ``limit`` other inspections of the case of ``inspection``, in order of time."""
    if inspection.case_id is None:
        return []
    rows = connection.execute(
        sa.select(inspections)
        .where(
            inspections.c.case_id == storable(inspection.case_id),
            inspections.c.id != inspection.id,
            has_ended(),
        )
        .order_by(inspections.c.finished_at, inspections.c.id)
        .limit(limit)
    ).all()
    return load_reviewed(connection, rows)


def find_earlier_photos(
    connection: Connection, inspection: Inspection, *, days: int, limit: int
) -> list[Inspection]:
    """At most ``limit`` inspections of the same car from before this occasion, the latest first.

    Those that ended at most ``days`` days before ``inspection`` and examined another photo, with
    people's decisions. The car is the ``car_id`` in the metadata; without one there are none.
    """
    car_id, moment = inspection.metadata.get("car_id"), inspection.finished_at
    if isinstance(car_id, bool) or not isinstance(car_id, str | int) or moment is None:
        return []
    c = inspections.c
    criteria = conditions_of(
        {"car_id": car_id, "since": moment - timedelta(days=days), "until": moment},
        connection.dialect.name,
    )
    rows = connection.execute(
        sa.select(inspections)
        .where(
            *criteria,
            c.verdict.in_([str(Verdict.DAMAGED), str(Verdict.CLEAN)]),
            c.photo_sha256 != inspection.photo.sha256,
            _is_of_earlier_occasion(inspection, moment),
        )
        .order_by(c.finished_at.desc(), c.id.desc())
        .limit(limit)
    ).all()
    return load_reviewed(connection, rows)


def find_comparisons(
    connection: Connection, inspection_id: str, version: int
) -> dict[str, list[Evidence]]:
    """The stored evidence about the damaged areas of an inspection, by earlier inspection."""
    rows = connection.execute(
        sa.select(car_comparisons.c.earlier_id, car_comparisons.c.evidence).where(
            car_comparisons.c.inspection_id == inspection_id,
            car_comparisons.c.version == version,
        )
    )
    return {row.earlier_id: [Evidence(each) for each in row.evidence] for row in rows}


def save_comparison(
    connection: Connection,
    inspection_id: str,
    earlier_id: str,
    version: int,
    evidence: Sequence[Evidence],
) -> None:
    """Store the evidence about each damaged area, unless another process has stored it.

    Nothing is stored if one of the two inspections was erased in the meantime.
    """
    ids = {inspection_id, earlier_id}
    if keep_inspections(connection, ids) != ids:
        return
    connection.execute(
        dialect_insert(connection.dialect, car_comparisons)
        .values(
            inspection_id=inspection_id,
            earlier_id=earlier_id,
            version=version,
            evidence=[str(each) for each in evidence],
            compared_at=datetime.now(UTC),
        )
        .on_conflict_do_nothing()
    )


def _is_of_earlier_occasion(inspection: Inspection, moment: datetime) -> sa.ColumnElement[bool]:
    c = inspections.c
    is_long_before = c.finished_at < moment - SAME_OCCASION
    if inspection.case_id is None:
        return is_long_before
    case_id = storable(inspection.case_id)
    return sa.and_(
        c.case_id.is_distinct_from(case_id), sa.or_(c.case_id.is_not(None), is_long_before)
    )
