"""The past photos that a rerun examines: each photo once, in the order of their digests.

The order of digests is random with respect to time, cars and verdicts, and the same in every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from damage_tasks.inspection import Verdict
from damage_tasks.results.reexaminations import Outcome
from damage_tasks.results.tables import (
    comparison_findings,
    findings,
    inspections,
    reexaminations,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy.engine import Connection

_TIMED_PHOTOS = 500  # photos whose times are averaged


@dataclass(frozen=True, slots=True)
class Selection:
    """Photos that networks examined from ``since`` until before ``until``.

    ``verdicts`` are those of their inspections; empty for all.  ``last`` is the greatest digest
    that belongs to the selection, None if there is no such limit.
    """

    bundle_digest: str
    since: datetime
    until: datetime
    verdicts: tuple[str, ...] = ()
    last: str | None = None


class SelectionCounts(NamedTuple):
    """The numbers of photos: all, examined with the bundle, and failed."""

    total: int
    examined: int
    failed: int


def last_digest(connection: Connection, selection: Selection, limit: int) -> str | None:
    """The greatest of the first ``limit`` digests of ``selection``."""
    first = _photos(selection).order_by(inspections.c.photo_sha256).limit(limit).subquery()
    return connection.execute(sa.select(sa.func.max(first.c.photo_sha256))).scalar()


def count_selection(connection: Connection, selection: Selection) -> SelectionCounts:
    """How many photos ``selection`` has, and what became of them."""
    photos = _photos(selection).subquery()
    sha256, digest = photos.c.photo_sha256, selection.bundle_digest

    def number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    query = sa.select(
        sa.func.count(),
        number(_is_examined(sha256, digest)),
        number(_has_failed(sha256, digest)),
    ).select_from(photos)
    return SelectionCounts(*connection.execute(query).one())


def next_photos(connection: Connection, selection: Selection, after: str, number: int) -> list[str]:
    """At most ``number`` digests after ``after``, of photos that are not yet examined."""
    sha256 = inspections.c.photo_sha256
    query = _unexamined(selection).where(sha256 > after).order_by(sha256).limit(number)
    return list(connection.execute(query).scalars())


def unexamined_among(
    connection: Connection, selection: Selection, photos: Collection[str]
) -> set[str]:
    """Those of ``photos`` (digests) that are still to be examined; erased ones are not."""
    query = _unexamined(selection).where(inspections.c.photo_sha256.in_(photos))
    return set(connection.execute(query).scalars())


def failed_photos(connection: Connection, selection: Selection) -> Iterator[Outcome]:
    """The photos whose examination has failed, in the order of their digests."""
    r, photos = reexaminations.c, _photos(selection).subquery()
    query = (
        sa.select(r.photo_sha256, r.source, r.reason_code, r.reason_text)
        .join(photos, photos.c.photo_sha256 == r.photo_sha256)
        .where(r.bundle_digest == selection.bundle_digest, r.reason_code.is_not(None))
        .order_by(r.photo_sha256)
    )
    for row in connection.execute(query):
        yield Outcome(*row)


def newest_address(connection: Connection, photo_sha256: str) -> str | None:
    """The URL from which the photo was downloaded last."""
    query = (
        sa.select(inspections.c.photo_url)
        .where(inspections.c.photo_sha256 == photo_sha256, inspections.c.photo_url.is_not(None))
        .order_by(inspections.c.finished_at.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def mean_seconds(connection: Connection, selection: Selection) -> tuple[float, bool] | None:
    """The mean time of a photo, and whether it is that of the selection's own bundle.

    Otherwise it is that of the bundles that examined the photos.  None if nothing is known.
    """
    c = comparison_findings.c
    own = (
        sa.select(c.timings_ms)
        .where(c.bundle_digest == selection.bundle_digest, c.verdict != Verdict.FAILED)
        .limit(_TIMED_PHOTOS)
    )
    others = (
        sa.select(inspections.c.timings_ms)
        .where(*_conditions(selection), inspections.c.reused.is_(False))
        .limit(_TIMED_PHOTOS)
    )
    for query in (own, others):
        times = [sum(timings.values()) for timings in connection.execute(query).scalars()]
        if times:
            return sum(times) / len(times) / 1000, query is own
    return None


def _photos(selection: Selection) -> sa.Select[Any]:
    """The digests of all photos of ``selection``."""
    return sa.select(inspections.c.photo_sha256).where(*_conditions(selection)).distinct()


def _unexamined(selection: Selection) -> sa.Select[Any]:
    sha256, digest = inspections.c.photo_sha256, selection.bundle_digest
    return _photos(selection).where(~_is_examined(sha256, digest), ~_has_failed(sha256, digest))


def _conditions(selection: Selection) -> Iterator[sa.ColumnElement[bool]]:
    c = inspections.c
    yield c.finished_at >= selection.since
    yield c.finished_at < selection.until
    # A photo that could not be decoded would be rejected again.
    yield c.finding_id.is_not(None)
    if selection.verdicts:
        yield c.verdict.in_(selection.verdicts)
    if selection.last is not None:
        yield c.photo_sha256 <= selection.last


def _is_examined(sha256: sa.ColumnElement[Any], bundle_digest: str) -> sa.ColumnElement[bool]:
    return sa.or_(
        *(
            sa.exists().where(
                table.c.photo_sha256 == sha256,
                table.c.bundle_digest == bundle_digest,
                # The bundle failed on the photo.
                table.c.verdict != Verdict.FAILED,
            )
            for table in (findings, comparison_findings)
        )
    )


def _has_failed(sha256: sa.ColumnElement[Any], bundle_digest: str) -> sa.ColumnElement[bool]:
    r = reexaminations.c
    return sa.exists().where(
        r.photo_sha256 == sha256, r.bundle_digest == bundle_digest, r.reason_code.is_not(None)
    )
