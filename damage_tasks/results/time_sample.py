"""A sample of short intervals of a period, for counts that would otherwise read every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

INTERVALS = 200


class Interval(NamedTuple):
    """From ``since`` until just before ``until``."""

    since: datetime
    until: datetime


def sample_intervals(
    since: datetime, until: datetime, share: float, number: int = INTERVALS
) -> Sequence[Interval]:
    """``number`` intervals that together last ``share`` (0 to 1) of the period.

    Each lies at random in its own part of the period, so that all days and hours are represented.
    The same arguments give the same intervals. A share of 1 gives the period itself.
    """
    if share >= 1:
        return [Interval(since, until)]
    return list(_drawn(since, (until - since) / number, share, number))


def _drawn(since: datetime, part: timedelta, share: float, number: int) -> Iterator[Interval]:
    random = Random(0)
    for index in range(number):
        begins = since + part * (index + random.random() * (1 - share))
        yield Interval(begins, begins + part * share)
