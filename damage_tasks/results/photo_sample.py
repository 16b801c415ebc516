"""A random sample of the photos that were examined in a period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from damage_tasks.results.examined_photos import has_verdict, number_of_photos
from damage_tasks.results.tables import findings, inspections
from damage_tasks.results.time_sample import Interval, sample_intervals
from damage_tasks.results.work_lists import audit_bound

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# More photos would hardly make distributions more precise.
MAX_PHOTOS = 20_000
# About so many are read of a period with too many photos to count. More than `MAX_PHOTOS`,
# because photos that come one after the other show the same cars.
MAX_READ_PHOTOS = 200_000
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
    """Some of the ``total`` photos of a period.

    ``is_exact``: whether the total was counted; it is estimated if it is large.
    """

    photos: Sequence[SampledPhoto]
    total: int
    is_exact: bool


def sample_photos(connection: Connection, since: datetime, until: datetime) -> PhotoSample:
    """About `MAX_PHOTOS` photos with a verdict of networks, or all if there are fewer.

    The photo's digest decides, so they are spread evenly over the period. If there are too many to
    count, it decides in short intervals that are spread over the period: reading
    every photo of a day with millions could take longer than a statement may.
    """
    period = Interval(since, until)
    number = number_of_photos(connection, period)
    read = number.photos if number.is_exact else MAX_READ_PHOTOS
    intervals = [period] if number.is_exact else sample_intervals(*period, read / number.photos)
    photos = [
        photo
        for interval in intervals
        for photo in _read(connection, interval, MAX_PHOTOS / max(1, read))
    ]
    return PhotoSample(photos, *number)


def _read(connection: Connection, interval: Interval, share: float) -> Iterator[SampledPhoto]:
    """The share (0 to 1; all from 1) of the examined photos that their digests decide."""
    c, quality = inspections.c, findings.c.quality
    query = _examined(
        interval, c.id, c.bundle_version, c.finished_at, c.damage_score, c.verdict, c.camera,
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
        query = _examined(Interval(day, day + timedelta(days=1)), sa.literal(1))
        used = connection.execute(
            query.where(inspections.c.bundle_version == version).limit(1)
        ).first()
        if used:
            first = day
        elif (first or before) - day > timedelta(days=DAYS_WITHOUT_BUNDLE):
            break
        day -= timedelta(days=1)
    return first


def _examined(interval: Interval, *columns: Any) -> sa.Select[Any]:
    return sa.select(*columns).where(*has_verdict(interval))


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
