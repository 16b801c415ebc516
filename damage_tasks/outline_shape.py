"""The shape of outlines: whether something is inside, and whether their sides cross.

No third-party imports.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Corner = tuple[int, int]
Side = tuple[Corner, Corner]


def is_flat(polygon: Sequence[Corner]) -> bool:
    """Whether all corners (x, y) of an outline lie on one line, so that nothing is inside it."""
    (x, y), *others = polygon
    # The line goes through the first corner and the one farthest from it.
    across, down = max(
        ((a - x, b - y) for a, b in others),
        key=lambda way: abs(way[0]) + abs(way[1]),
        default=(0, 0),
    )
    return all(across * (b - y) == down * (a - x) for a, b in others)


def has_no_area(polygon: Sequence[Corner]) -> bool:
    """Whether nothing is inside an outline whose sides do not cross; Gauss's formula."""
    return not sum(x * b - a * y for (x, y), (a, b) in _sides(polygon))


def crossing_of(polygon: Sequence[Corner]) -> Corner | None:
    """Where two sides of an outline cross, rounded to pixels; None if none do.

    Sides that only touch or lie on each other do not cross, as around damage that is one pixel
    wide.
    """
    # Ordered from left to right, a side is compared only with those that begin before it ends.
    sides = sorted((min(side), max(side)) for side in _sides(polygon))
    for number, side in enumerate(sides):
        (_, y), (right, b) = side
        low, high = min(y, b), max(y, b)
        for other in sides[number + 1 :]:
            (left, c), (_, d) = other
            if left >= right:
                break
            if (c > low or d > low) and (c < high or d < high) and _cross(side, other):
                return _meeting_point(side, other)
    return None


def _sides(polygon: Sequence[Corner]) -> list[Side]:
    return list(pairwise([*polygon, polygon[0]]))


def _cross(one: Side, other: Side) -> bool:
    return _on_both_sides(one, other) and _on_both_sides(other, one)


def _on_both_sides(line: Side, ends: Side) -> bool:
    """Whether the ``ends`` lie on different sides of a line, and neither on it."""
    first, second = (_turn(line, end) for end in ends)
    return (first < 0 < second) or (second < 0 < first)


def _turn(line: Side, place: Corner) -> int:
    """Positive if ``place`` is on one side of the line, negative on the other, and 0 on it."""
    (x, y), (a, b) = line
    return (a - x) * (place[1] - y) - (b - y) * (place[0] - x)


def _meeting_point(one: Side, other: Side) -> Corner:
    (x, y), (a, b) = one
    first, second = (_turn(other, end) for end in one)
    share = first / (first - second)
    return round(x + share * (a - x)), round(y + share * (b - y))
