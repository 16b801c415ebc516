"""Intervals that represent a period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from damage_tasks.results.time_sample import Interval, sample_intervals

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=28)


@pytest.mark.parametrize("share", [0.001, 0.04, 0.9])
def test_each_part_of_the_period_has_an_interval(share: float) -> None:
    found = sample_intervals(SINCE, UNTIL, share, 28)
    assert [interval.since.date() for interval in found] == [
        (SINCE + timedelta(days=day)).date() for day in range(28)
    ]
    for (_, end), following in zip(found, [*found[1:], Interval(UNTIL, UNTIL)], strict=True):
        assert end <= following.since
    lasts = sum(((i.until - i.since) for i in found), timedelta())
    assert lasts / (UNTIL - SINCE) == pytest.approx(share, rel=1e-6)
    assert found == sample_intervals(SINCE, UNTIL, share, 28)


def test_a_share_of_one_is_the_period_itself() -> None:
    assert sample_intervals(SINCE, UNTIL, 1.0) == [Interval(SINCE, UNTIL)]
