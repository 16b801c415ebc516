"""How many photos have a verdict of networks in a period, without reading every row of many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from damage_tasks.inspection import Verdict
from damage_tasks.results.tables import inspections
from damage_tasks.results.time_sample import Interval, sample_intervals

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Up to this number, the photos of a period are counted, otherwise their number is estimated.
MAX_COUNTED_PHOTOS = 1_000_000
PILOT_SHARE = 0.001  # of a period, from which the number of its photos is first estimated
MIN_PILOT_PHOTOS = 2000  # the estimate of the number is then mostly within a few per cent


class PhotoNumber(NamedTuple):
    """How many photos a period has; ``is_exact`` is false for an estimate."""

    photos: int
    is_exact: bool


def number_of_photos(connection: Connection, period: Interval) -> PhotoNumber:
    """The photos of ``period``; an estimate if they are more than `MAX_COUNTED_PHOTOS`."""
    counted = count_photos(connection, period, MAX_COUNTED_PHOTOS + 1)
    if counted <= MAX_COUNTED_PHOTOS:
        return PhotoNumber(counted, is_exact=True)
    # Few short intervals may miss photos that come in bursts.
    share, known = PILOT_SHARE / 10, 0
    while known < MIN_PILOT_PHOTOS and share < 1:
        share = min(1.0, 10 * share)
        known = _count_in(connection, sample_intervals(*period, share))
    return PhotoNumber(max(counted, round(known / share)), is_exact=False)


def count_photos(connection: Connection, interval: Interval, most: int | None = None) -> int:
    """The number of photos of ``interval``, but not more than ``most``."""
    # A constant is counted, so that an index is enough.
    constant: sa.ColumnElement[int] = sa.literal_column("1")
    counted = sa.select(constant).where(*has_verdict(interval)).limit(most)
    query = sa.select(sa.func.count()).select_from(counted.subquery())
    return int(connection.execute(query).scalar_one())


def has_verdict(interval: Interval) -> Iterator[sa.ColumnElement[bool]]:
    """Photos with a verdict of networks; rejected ones have none."""
    yield inspections.c.finished_at >= interval.since
    yield inspections.c.finished_at < interval.until
    yield inspections.c.verdict.in_([str(Verdict.DAMAGED), str(Verdict.CLEAN)])


def _count_in(connection: Connection, intervals: Sequence[Interval]) -> int:
    return sum(count_photos(connection, interval) for interval in intervals)
