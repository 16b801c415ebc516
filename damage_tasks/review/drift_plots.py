"""Plots of distributions on the page about drift, as coordinates of SVG rectangles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from damage_tasks.production_quality.distributions import Bin

WIDTH, HEIGHT = 480, 120
GAP = 0.2  # of a bin's width, between it and the next


class Bar(NamedTuple):
    """A bar of a plot of `WIDTH` x `HEIGHT`; ``kind`` is ``expected`` or ``actual``."""

    kind: str
    x: float
    y: float
    width: float
    height: float


def bars(bins: Sequence[Bin]) -> list[Bar]:
    """Two bars for each bin, next to each other; the highest has the plot's height."""
    step = WIDTH / len(bins)
    width = step * (1 - GAP) / 2
    highest = max(max(each.expected, each.actual) for each in bins)
    found = []
    for number, each in enumerate(bins):
        for place, kind in enumerate(("expected", "actual")):
            height = HEIGHT * getattr(each, kind) / highest
            x = step * (number + GAP / 2) + place * width
            shape = (round(value, 1) for value in (x, HEIGHT - height, width, height))
            found.append(Bar(kind, *shape))
    return found
