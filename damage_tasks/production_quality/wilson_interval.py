"""Wilson's interval of a share of photos."""

from __future__ import annotations

from math import sqrt


def wilson_interval(hits: int, photos: int, deviations: float) -> tuple[float, float]:
    """The limits (0 to 1) of the share ``hits`` of ``photos``, which must not be 0.

    ``deviations`` is the number of standard deviations: 1.96 for 95 %.
    """
    share, square = hits / photos, deviations**2 / photos
    middle = share + square / 2
    width = deviations * sqrt(share * (1 - share) / photos + square / photos / 4)
    low, high = (middle - width) / (1 + square), (middle + width) / (1 + square)
    return max(0.0, low), min(1.0, high)
