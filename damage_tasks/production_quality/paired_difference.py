"""The difference of two shares of the same photos, with its bootstrap interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BOOTSTRAPS = 10_000


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How two bundles differ on ``photos``: ``only_old`` and ``only_new`` count for one of them.

    ``low`` to ``high`` is the 95 % bootstrap interval of ``difference``, the new bundle's share
    of the photos minus the old one's.
    """

    photos: int
    only_old: int
    only_new: int
    difference: float
    low: float
    high: float

    def __str__(self) -> str:
        points = [f"{100 * each:+.1f}" for each in (self.difference, self.low, self.high)]
        return "{} percentage points (95 % bootstrap interval {} to {})".format(*points)

    def is_beyond(self, limit: float) -> bool:
        """Whether the whole interval lies outside of ``limit``, above or below.

        False for few photos: if all are alike, the interval has no width.
        """
        is_outside = self.low > limit or self.high < -limit
        return is_outside and self.photos >= fewest_photos(limit)

    def may_be_beyond(self, limit: float) -> bool:
        """Whether the interval reaches outside of ``limit``, or the photos are too few to say."""
        reaches = self.high > limit or self.low < -limit
        return reaches or self.photos < fewest_photos(limit)

    def photos_needed(self, limit: float) -> int:
        """The photos after which the interval ends at ``limit``, if others are like these.

        0 if that cannot be said, because the difference is the limit itself.
        """
        distance = abs(limit - abs(self.difference))
        if not distance:
            return 0
        variance = (self.only_old + self.only_new) / self.photos - self.difference**2
        return max(math.ceil(1.96**2 * variance / distance**2), fewest_photos(limit))


def fewest_photos(share: float) -> int:
    """The photos that exclude ``share`` of them if there is not a single one (rule of three)."""
    return math.ceil(3 / share)


def paired_difference(photos: int, only_old: int, only_new: int) -> PairedDifference:
    """The difference on ``photos``, which must not be 0."""
    shares = np.array([only_old, only_new, photos - only_old - only_new]) / photos
    drawn = np.random.default_rng(0).multinomial(photos, shares, BOOTSTRAPS)
    low, high = np.quantile((drawn[:, 1] - drawn[:, 0]) / photos, [0.025, 0.975])
    difference = (only_new - only_old) / photos
    return PairedDifference(photos, only_old, only_new, difference, float(low), float(high))
