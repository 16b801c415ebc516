"""The inspectors' work lists: which inspections wait for a person, in which order.

The order of every list is unique and has an index, so that a page is read without the pages
before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from damage_tasks.contract import InspectionCriteria
from damage_tasks.inspection import REVIEW_BAND, Verdict
from damage_tasks.results.database import dialect_insert
from damage_tasks.results.erasure_locks import keep_inspections
from damage_tasks.results.list_orders import BY_COST, ByColumn, ByCost, ErrorCosts
from damage_tasks.results.search import conditions_of, has_ended
from damage_tasks.results.tables import assignments, findings, inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

ASSIGNMENT = timedelta(minutes=5)
_MAX_ATTEMPTS = 20  # others may take the same photo at the same moment


class WorkList(StrEnum):
    """Why inspections wait for a person."""

    UNSURE = "unsure"
    DAMAGED = "damaged"
    POOR_PHOTO = "poor-photo"
    AUDIT = "audit"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Selection:
    """A work list, and which of its inspections.

    ``criteria`` are those of `damage_tasks.results.search`, and ``audit_share`` is the share of
    photos that the audit draws.  ``costs`` of errors determine the order of unsure photos.
    """

    work_list: WorkList
    criteria: InspectionCriteria = field(default_factory=lambda: InspectionCriteria())
    max_score: float | None = None
    bundle_version: str | None = None
    audit_share: float = 0.01
    costs: ErrorCosts = ErrorCosts()


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who is looking at an inspection."""

    person: str
    until: datetime


def find_page(
    connection: Connection, selection: Selection, limit: int, after: str | None = None
) -> list[Row[Any]]:
    """At most ``limit`` rows of ``inspections``, those after the inspection with id ``after``."""
    return _read(connection, selection, limit, after)


def candidates(connection: Connection, selection: Selection, limit: int) -> Iterator[sa.Subquery]:
    """The first ``limit`` rows of each part of a list, with ``is_listed``.

    Those that are not listed are still in the index of the list.
    """
    for part in _parts(selection.work_list):
        yield (
            sa.select(_is_listed(selection.work_list).label("is_listed"))
            .where(*_where(connection, selection), part.condition)
            .order_by(*part.order_by())
            .limit(limit)
            .subquery()
        )


def assign_next(
    connection: Connection, selection: Selection, person: str, after: str | None = None
) -> str | None:
    """Assign the next inspection that nobody else is looking at to ``person``; returns its id."""
    connection.execute(sa.delete(assignments).where(assignments.c.until < datetime.now(UTC)))
    for _ in range(_MAX_ATTEMPTS):
        id = peek_next(connection, selection, person, after)
        if id is None or assign(connection, id, person):
            return id
    return None


def peek_next(
    connection: Connection, selection: Selection, person: str, after: str | None = None
) -> str | None:
    """The id of the next inspection that nobody else is looking at."""
    taken = sa.exists().where(
        assignments.c.inspection_id == inspections.c.id,
        assignments.c.person != person,
        assignments.c.until >= datetime.now(UTC),
    )
    rows = _read(connection, selection, 1, after, ~taken)
    return rows[0].id if rows else None


def assign(connection: Connection, inspection_id: str, person: str) -> bool:
    """Assign an inspection to ``person`` for `ASSIGNMENT`; False if somebody else has it.

    Also False if it was erased.
    """
    if not keep_inspections(connection, [inspection_id]):
        return False
    now = datetime.now(UTC)
    insert = dialect_insert(connection.dialect, assignments).values(
        inspection_id=inspection_id, person=person, until=now + ASSIGNMENT
    )
    done = connection.execute(
        insert.on_conflict_do_update(
            index_elements=["inspection_id"],
            set_={"person": insert.excluded.person, "until": insert.excluded.until},
            where=sa.or_(assignments.c.until < now, assignments.c.person == person),
        ).returning(assignments.c.inspection_id)
    )
    return done.scalar() is not None


def release(connection: Connection, inspection_id: str, person: str) -> None:
    """End the assignment of an inspection to ``person``, if there is one."""
    connection.execute(
        sa.delete(assignments).where(
            assignments.c.inspection_id == inspection_id, assignments.c.person == person
        )
    )


def find_assignments(connection: Connection, ids: list[str]) -> dict[str, Assignment]:
    """Who is looking at the inspections ``ids`` at the moment."""
    rows = connection.execute(
        sa.select(assignments).where(
            assignments.c.inspection_id.in_(ids), assignments.c.until >= datetime.now(UTC)
        )
    )
    return {row.inspection_id: Assignment(row.person, row.until) for row in rows}


# As in the index.
_FALSE = sa.literal_column("FALSE", sa.Boolean())
_IS_NOT_SURE = inspections.c.is_unsure.is_not(_FALSE)
_IS_NOT_GOOD = inspections.c.is_poor.is_not(_FALSE)


def _parts(work_list: WorkList) -> Sequence[ByColumn | ByCost]:
    """Parts of a list, each in the order of an index."""
    if work_list is WorkList.UNSURE:
        return BY_COST
    if work_list is WorkList.AUDIT:
        # Digests are random, so this order is too.
        return (ByColumn(inspections.c.photo_sha256, descends=False),)
    return (ByColumn(inspections.c.finished_at, descends=True),)


def _read(
    connection: Connection,
    selection: Selection,
    limit: int,
    after: str | None,
    *conditions: sa.ColumnElement[bool],
) -> list[Row[Any]]:
    """The first rows after the inspection ``after``; none if that does not exist."""
    parts, costs, last = _parts(selection.work_list), selection.costs, None
    if after is not None:
        last = connection.execute(parts[0].position(after, costs)).one_or_none()
        if last is None or None in last:
            return []
    found = [
        connection.execute(
            sa.select(inspections, part.cost(costs).label("cost"))
            .where(*_where(connection, selection), part.condition, *conditions)
            .where(_is_listed(selection.work_list))
            .where(*([part.after(last, costs)] if last else []))
            .order_by(*part.order_by())
            .limit(limit)
        ).all()
        for part in parts
    ]
    # If costs are equal, the first part comes first, as `ByCost.after` assumes.
    return list(islice(merge(*found, key=lambda row: -row.cost), limit))


def _is_listed(work_list: WorkList) -> sa.ColumnElement[bool]:
    """What remains to be checked for rows in the index of the list."""
    if work_list is not WorkList.POOR_PHOTO:
        return sa.true()
    # Older workers stored the quality only in the finding. Not EXISTS, for which PostgreSQL might
    # read all findings first.
    is_poor = findings.c.quality["verdict"].as_string() == "poor"
    of_finding = sa.select(is_poor).where(findings.c.id == inspections.c.finding_id)
    return sa.func.coalesce(
        inspections.c.is_poor, of_finding.scalar_subquery(), sa.false(), type_=sa.Boolean()
    )


def _where(connection: Connection, selection: Selection) -> Iterator[sa.ColumnElement[bool]]:
    c = inspections.c
    yield has_ended()
    if selection.work_list is not WorkList.ALL:
        yield c.decided_at.is_(None)
    match selection.work_list:
        case WorkList.UNSURE:
            yield c.damage_score >= 0
            yield _IS_NOT_SURE
            yield sa.or_(c.is_unsure.is_not(None), c.damage_score.between(*REVIEW_BAND))
        case WorkList.DAMAGED:
            yield c.verdict == sa.literal_column(f"'{Verdict.DAMAGED}'")
        case WorkList.POOR_PHOTO:
            yield _IS_NOT_GOOD
        case WorkList.AUDIT:
            yield c.photo_sha256 < audit_bound(selection.audit_share)
            yield c.damage_score.is_not(None)
    if selection.max_score is not None:
        yield c.damage_score <= selection.max_score
    if selection.bundle_version is not None:
        yield c.bundle_version == selection.bundle_version
    yield from conditions_of(selection.criteria, connection.dialect.name)


def audit_bound(share: float) -> str:
    """A text that ``share`` of all digests in hexadecimal precede: the audit draws these photos."""
    bound = int(share * 16**8)
    return f"{bound:08x}" if bound < 16**8 else "g"
