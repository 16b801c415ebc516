"""Short intervals whose photos represent a period, and what is counted in them first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from damage_tasks.results.examined_photos import has_verdict, number_of_photos
from damage_tasks.results.tables import inspections
from damage_tasks.results.time_sample import Interval, sample_intervals

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Up to this number, all photos are counted by kind, otherwise about as many: the shares of kinds
# hardly become more precise.
MAX_PHOTOS = 50_000

# Makes of cameras with figures of their own, and cameras that are counted to find them.
MAX_MAKES = 8
MAX_CAMERAS = 500


class PhotoSample(NamedTuple):
    """Intervals whose photos represent all ``total`` photos of a period.

    ``is_exact``: whether the total was counted; it is estimated if it is large.
    """

    intervals: Sequence[Interval]
    total: int
    is_exact: bool


def sample_photos(connection: Connection, since: datetime) -> PhotoSample:
    """About `MAX_PHOTOS` of the photos examined since ``since``, or all if there are fewer."""
    period = Interval(since, datetime.now(UTC))
    number = number_of_photos(connection, period)
    share = min(1.0, MAX_PHOTOS / max(1, number.photos))
    return PhotoSample(sample_intervals(*period, share), *number)


def find_makes(connection: Connection, sample: PhotoSample) -> list[str]:
    """The makes of the cameras of most photos of ``sample``, at most `MAX_MAKES`.

    Anybody can write any make into a photo, so their number has no other limit.
    """
    c, number = inspections.c, sa.func.count().label("photos")
    makes: Counter[str] = Counter()
    for interval in sample.intervals:
        query = (
            sa.select(c.camera, number)
            .where(*has_verdict(interval), c.camera.is_not(None))
            .group_by(c.camera)
            .order_by(number.desc(), c.camera)
            .limit(MAX_CAMERAS)
        )
        for camera, photos in connection.execute(query):
            makes[camera.partition(" ")[0]] += photos
    return [make for make, _ in makes.most_common(MAX_MAKES)]
