"""A random sample of the photos that were examined in a period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from damage_tasks.inspection import Verdict
from damage_tasks.results.tables import findings, inspections
from damage_tasks.results.time_sample import sample_intervals
from damage_tasks.results.work_lists import audit_bound

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# More photos would hardly make distributions more precise.
MAX_PHOTOS = 20_000
# Up to this number, every photo of a period is read, otherwise about as many. More than
# `MAX_PHOTOS`, because photos that come one after the other show the same cars.
MAX_READ_PHOTOS = 200_000
PILOT_SHARE = 0.001  # of a period, from which the number of its photos is first estimated
MIN_PILOT_PHOTOS = 2000  # the estimate of the number is then mostly within a few per cent
DAYS_WITHOUT_BUNDLE = 3


class SampledPhoto(NamedTuple):
    """The figures of a photo; ``hour`` is the hour of the day in UTC, 00 to 23.

    ``brightness`` and ``blur`` as in `damage_tasks.inspection.Quality`; None from early workers.
    ``camera``: the make in lower case, None if the photo does not name it.
    """

    id: str
    bundle: str
    brightness: float | None
    blur: float | None
    megapixels: float
    score: float
    verdict: str
    hour: str
    camera: str | None = None


class PhotoSample(NamedTuple):
    """Some of the ``total`` photos of a period, which are estimated if they are many."""

    photos: Sequence[SampledPhoto]
    total: int


def sample_photos(connection: Connection, since: datetime, until: datetime) -> PhotoSample:
    """About `MAX_PHOTOS` photos with a verdict of networks, or all if there are fewer.

    The photo's digest decides, so they are spread evenly over the period. Of more than
    `MAX_READ_PHOTOS`, it decides in short intervals that are spread over the period: reading
    every photo of a day with millions could take longer than a statement may.
    """
    total = _count(connection, since, until, MAX_READ_PHOTOS + 1)
    if total <= MAX_READ_PHOTOS:
        return PhotoSample(list(_read(connection, since, until, MAX_PHOTOS / max(1, total))), total)
    share = _share_to_read(connection, since, until)
    photos = [
        photo
        for interval in sample_intervals(since, until, share)
        for photo in _read(connection, *interval, MAX_PHOTOS / MAX_READ_PHOTOS)
    ]
    return PhotoSample(photos, round(len(photos) * MAX_READ_PHOTOS / MAX_PHOTOS / share))


def _share_to_read(connection: Connection, since: datetime, until: datetime) -> float:
    """The share (0 to 1) of the period that has about `MAX_READ_PHOTOS` photos."""
    # Few short intervals may miss photos that come in bursts.
    pilot, known = PILOT_SHARE / 10, 0
    while known < MIN_PILOT_PHOTOS and pilot < 1:
        pilot = min(1.0, 10 * pilot)
        intervals = sample_intervals(since, until, pilot)
        known = sum(_count(connection, *interval) for interval in intervals)
    return min(1.0, MAX_READ_PHOTOS * pilot / max(1, known))


def _count(
    connection: Connection, since: datetime, until: datetime, most: int | None = None
) -> int:
    """The number of examined photos, but not more than ``most``."""
    counted = _examined(since, until, inspections.c.id).limit(most).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(counted)).scalar_one())


def _read(
    connection: Connection, since: datetime, until: datetime, share: float
) -> Iterator[SampledPhoto]:
    """The share (0 to 1; all from 1) of the examined photos that their digests decide."""
    c, quality = inspections.c, findings.c.quality
    query = _examined(
        since, until, c.id, c.bundle_version, c.finished_at, c.damage_score, c.verdict, c.camera,
        findings.c.photo_width, findings.c.photo_height,
        quality["brightness"].as_float().label("brightness"),
        quality["blur"].as_float().label("blur"),
    ).select_from(inspections.join(findings, findings.c.id == c.finding_id))  # fmt: skip
    if share < 1:
        query = query.where(c.photo_sha256 < audit_bound(share))
    return map(_photo, connection.execute(query))


def find_first_day(
    connection: Connection, version: str, before: datetime, days: int = 366
) -> datetime | None:
    """The day on which the bundle ``version`` first examined photos; None if it never did.

    Goes back from ``before`` for at most ``days`` days, until the bundle was not used for some.
    """
    day = before.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first, last = None, day - timedelta(days=days)
    while day >= last:
        query = _examined(day, day + timedelta(days=1), sa.literal(1))
        used = connection.execute(
            query.where(inspections.c.bundle_version == version).limit(1)
        ).first()
        if used:
            first = day
        elif (first or before) - day > timedelta(days=DAYS_WITHOUT_BUNDLE):
            break
        day -= timedelta(days=1)
    return first


def _examined(since: datetime, until: datetime, *columns: Any) -> sa.Select[Any]:
    return sa.select(*columns).where(
        inspections.c.finished_at >= since,
        inspections.c.finished_at < until,
        inspections.c.verdict.in_([str(Verdict.DAMAGED), str(Verdict.CLEAN)]),
    )


def _photo(row: Any) -> SampledPhoto:
    return SampledPhoto(
        id=row.id,
        bundle=row.bundle_version or "",
        brightness=row.brightness,
        blur=row.blur,
        # As precise as a reference in a manifest, which would otherwise split equal values.
        megapixels=round(row.photo_width * row.photo_height / 1e6, 2),
        score=round(row.damage_score, 4),
        verdict=row.verdict,
        hour=f"{row.finished_at.astimezone(UTC):%H}",
        camera=(row.camera or "").lower().partition(" ")[0] or None,
    )
