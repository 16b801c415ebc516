"""Cases: the inspections of one occasion, such as a car's return, and their summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from damage_tasks.damage import Severity
from damage_tasks.decision import counting, final_verdict
from damage_tasks.inspection import CONTRACT_VERSION, Inspection, Verdict
from damage_tasks.results.decisions import load_reviewed
from damage_tasks.results.search import has_ended
from damage_tasks.results.storable_text import storable
from damage_tasks.results.tables import inspections
from damage_tasks.reviewed_areas import Area, reviewed_areas

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

MAX_CASE_PHOTOS = 1000
# In the numbers by type: damage whose type nobody has named.
UNNAMED_TYPE = "unknown"

_EXAMINED = (Verdict.DAMAGED, Verdict.CLEAN)
_SEVERITIES = list(Severity)  # the worst is the last


def find_case(connection: Connection, case_id: str) -> dict[str, Any] | None:
    """The summary of a case, with JSON types only; None if no photo of it has a verdict."""
    rows = _rows_of(connection, case_id)
    return _summary(connection, case_id, rows) if rows else None


def completed_case(connection: Connection, inspection: Inspection) -> dict[str, Any] | None:
    """The summary of the case that ``inspection`` has completed; None if it completed none.

    Call this in the transaction that stores the inspection, after it is stored: two photos that
    are stored at once cannot both miss, or both claim, the completion.
    """
    if inspection.case_id is None or inspection.verdict not in _EXAMINED:
        return None
    case_id = storable(inspection.case_id) or ""
    if connection.dialect.name == "postgresql":
        connection.execute(
            sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(case_id, 0)))
        )
    rows = _rows_of(connection, case_id)
    before = [row for row in rows if row.id != inspection.id]
    if _is_complete(rows) and not _is_complete(before):
        return _summary(connection, case_id, rows)
    return None


def _rows_of(connection: Connection, case_id: str) -> Sequence[Row[Any]]:
    return connection.execute(
        sa.select(inspections)
        .where(inspections.c.case_id == case_id, has_ended())
        .order_by(inspections.c.finished_at, inspections.c.id)
        .limit(MAX_CASE_PHOTOS)
    ).all()


def _expected(rows: Sequence[Row[Any]]) -> int | None:
    """The largest number of photos that a sender announced."""
    return max((row.case_photos for row in rows if row.case_photos is not None), default=None)


def _examined(rows: Sequence[Row[Any]]) -> int:
    """The number of different photos that were examined."""
    return len({row.photo_sha256 for row in rows if row.verdict in _EXAMINED})


def _is_complete(rows: Sequence[Row[Any]]) -> bool:
    expected = _expected(rows)
    return expected is not None and _examined(rows) >= expected


def _summary(connection: Connection, case_id: str, rows: Sequence[Row[Any]]) -> dict[str, Any]:
    reviewed = load_reviewed(connection, rows)
    results = [one.to_dict() for one in reviewed]
    areas = _areas(reviewed)
    severities = [area.severity for area in areas if area.severity is not None]
    verdicts = Counter(result["verdict"] for result in results)
    expected = _expected(rows)
    return {
        "contract": CONTRACT_VERSION,
        "case_id": case_id,
        "complete": _is_complete(rows) if expected is not None else None,
        "photos": {
            "expected": expected,
            "seen": len(results),
            "examined": _examined(rows),
            **{str(verdict): verdicts[verdict] for verdict in Verdict},
        },
        "worst_severity": str(max(severities, key=_SEVERITIES.index)) if severities else None,
        "damages": dict(Counter(area.type or UNNAMED_TYPE for area in areas).most_common()),
        "retake": [
            {"id": result["id"], "photo_url": result["photo"]["url"], "reason": reason}
            for result in results
            if (reason := _retake_reason(result)) is not None
        ],
        "inspections": [result["id"] for result in results],
        "finished_at": results[-1]["finished_at"],
    }


def _areas(reviewed: Sequence[Inspection]) -> list[Area]:
    """The damaged areas after people's decisions; a photo sent twice counts once."""
    by_photo: dict[str | None, list[Area]] = {}
    for one in reviewed:
        damages = one.finding.damages if one.finding else ()
        counted = counting(one.decisions)
        if final_verdict(str(one.verdict), len(damages), counted) == Verdict.DAMAGED:
            by_photo[one.photo.sha256] = reviewed_areas(damages, counted)
    return [area for areas in by_photo.values() for area in areas]


def _retake_reason(result: dict[str, Any]) -> str | None:
    """Why another photo is needed: a rejection, poor quality or the wish of an inspector."""
    quality = result["quality"] or {"reasons": []}
    if result["final_verdict"] is None:
        return "retake"
    if result["verdict"] == Verdict.REJECTED:
        return str(result["reason"]["code"])
    return ", ".join(quality["reasons"]) or None
