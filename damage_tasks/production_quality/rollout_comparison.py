"""Compares a new bundle with the one that it replaces, on the photos of a roll-out.

The photo's sha256 decides which of the two examines it, so their photos are random samples of
the same ones, and a clear difference is the bundle's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from damage_tasks.production_quality.wilson_interval import wilson_interval
from damage_tasks.results.rollout_outcomes import Outcomes

if TYPE_CHECKING:
    from damage_tasks.settings import Settings

# Standard deviations: chance must not stop a roll-out that is compared some thousand times.
CERTAINTY = 4.0
MIN_TIMED_PHOTOS = 50


@dataclass(frozen=True, slots=True)
class Limits:
    """By how much a new bundle may differ.

    ``failures``, ``damaged`` and ``disagreement`` are differences of shares (0 to 1), ``slowdown``
    is the quotient of the median times.
    """

    failures: float
    damaged: float
    disagreement: float
    slowdown: float

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits in the settings."""
        return cls(
            settings.rollout_failure_limit,
            settings.rollout_damaged_limit,
            settings.rollout_disagreement_limit,
            settings.rollout_slowdown_limit,
        )


def exceeded_limits(new: Outcomes, old: Outcomes, limits: Limits) -> list[str]:
    """What speaks against the ``new`` bundle, one sentence each; empty if nothing does, or yet."""
    return list(_exceeded(new, old, limits))


def _exceeded(new: Outcomes, old: Outcomes, limits: Limits) -> Iterator[str]:
    failures = (new.failed, new.photos), (old.failed, old.photos)
    if _least_increase(*failures) > limits.failures:
        yield f"more photos fail: {_shares(*failures)}"
    damaged = (new.damaged, new.examined), (old.damaged, old.examined)
    if _least_increase(*damaged) > limits.damaged:
        yield f"more photos are damaged: {_shares(*damaged)}"
    if _least_increase(*reversed(damaged)) > limits.damaged:
        yield f"fewer photos are damaged: {_shares(*damaged)}"
    disagreed = (new.disagreed, new.decided), (old.disagreed, old.decided)
    if _least_increase(*disagreed) > limits.disagreement:
        yield f"inspectors disagree more often: {_shares(*disagreed)}"
    if new.seconds and old.seconds and min(new.examined, old.examined) >= MIN_TIMED_PHOTOS:
        slowdown = new.seconds / old.seconds
        if slowdown > limits.slowdown:
            yield (
                f"photos take {slowdown:.1f} times as long: {new.seconds:.2f} s instead of "
                f"{old.seconds:.2f} s"
            )


def _least_increase(new: tuple[int, int], old: tuple[int, int]) -> float:
    """The lower limit of the difference of two shares, each given as (hits, photos).

    Newcombe's interval from Wilson's (Statistics in Medicine 1998, method 10); below 0
    without photos.
    """
    if not new[1] or not old[1]:
        return -1.0
    new_share, old_share = new[0] / new[1], old[0] / old[1]
    new_low, _ = wilson_interval(*new, CERTAINTY)
    _, old_high = wilson_interval(*old, CERTAINTY)
    return new_share - old_share - sqrt((new_share - new_low) ** 2 + (old_high - old_share) ** 2)


def _shares(new: tuple[int, int], old: tuple[int, int]) -> str:
    return f"{new[0]} of {new[1]} instead of {old[0]} of {old[1]}"
