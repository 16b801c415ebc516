"""Whether to roll out a bundle, after a comparison with the one that serves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from damage_tasks.production_quality.paired_difference import PairedDifference, fewest_photos
from damage_tasks.production_quality.rollout_comparison import Limits
from damage_tasks.production_quality.wilson_interval import wilson_interval

# The new bundle may be wrong on this share more of the photos, as far as chance is concerned.
MARGIN = 0.02
FEWEST_DECISIONS = fewest_photos(MARGIN)
ROLL_OUT, DO_NOT = "roll out", "do not roll out"
NOT_ENOUGH, NOT_ENOUGH_PHOTOS = "not enough decisions", "not enough photos"
FAILURE_LIMIT = "DAMAGE_ROLLOUT_FAILURE_LIMIT"
NO_CLEAN_PHOTOS = (
    "no photo that the old one finds clean was compared (DAMAGE_KEEP_PHOTOS=damaged keeps "
    "none): it may find damage on these"
)


@dataclass(frozen=True, slots=True)
class Judged:
    """How often the verdicts are right, by people's decisions.

    ``right`` is the difference of the shares of right verdicts; ``p`` is that of McNemar's exact
    test.
    """

    right: PairedDifference
    both_right: int
    p: float

    @property
    def decided(self) -> int:
        """Photos that people decided about."""
        return self.right.photos

    @property
    def both_wrong(self) -> int:
        """Photos on which both verdicts are wrong."""
        return self.decided - self.both_right - self.right.only_old - self.right.only_new


@dataclass(frozen=True, slots=True)
class Failures:
    """The new bundle ``failed`` on so many of ``photos``, which must not be 0."""

    failed: int
    photos: int

    def refusals(self, limit: float) -> Iterator[str]:
        """Why the share of failed photos refuses the bundle."""
        if wilson_interval(self.failed, self.photos, 1.96)[0] > limit:
            yield f"it failed on {self.failed} of {self.photos} photos ({FAILURE_LIMIT})"

    def missing_photos(self, limit: float) -> Recommendation | None:
        """Why more photos are needed; None if the bundle did not fail, or rarely enough."""
        if not self.failed or wilson_interval(self.failed, self.photos, 1.96)[1] <= limit:
            return None
        reason = (
            f"it failed on {self.failed} of {self.photos} photos, which may be more often than "
            f"{FAILURE_LIMIT} allows"
        )
        return Recommendation(NOT_ENOUGH_PHOTOS, (reason,))


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do, and why; ``more`` is how many more decisions or photos are needed."""

    text: str
    reasons: tuple[str, ...]
    more: int = 0


def recommend(
    judged: Judged | None,
    damaged: PairedDifference,
    limits: Limits,
    *,
    slowdown: float | None,
    failed: int = 0,
) -> Recommendation:
    """The recommendation for the new bundle.

    ``damaged`` is the difference of the shares of damaged photos, ``slowdown`` the quotient of
    the times, None if it is unknown, and ``failed`` the number of further photos on which the new
    bundle failed.
    """
    failures = Failures(failed, damaged.photos + failed)
    refusals = (
        *failures.refusals(limits.failures),
        *_refusals(judged, damaged, limits, slowdown),
    )
    if refusals:
        return Recommendation(DO_NOT, refusals)
    return (
        _missing_decisions(judged)
        or failures.missing_photos(limits.failures)
        or _missing_photos(damaged, limits)
        or _roll_out()
    )


def _refusals(
    judged: Judged | None, damaged: PairedDifference, limits: Limits, slowdown: float | None
) -> Iterator[str]:
    if slowdown is not None and slowdown > limits.slowdown:
        yield "it takes much longer for a photo (DAMAGE_ROLLOUT_SLOWDOWN_LIMIT)"
    if damaged.is_beyond(limits.damaged):
        more = "more" if damaged.difference > 0 else "fewer"
        yield (
            f"it finds damage on {abs(damaged.difference):.1%} {more} of the photos "
            "(DAMAGE_ROLLOUT_DAMAGED_LIMIT)"
        )
    if judged is None:
        return
    if judged.right.high < 0 and judged.p < 0.05:
        yield "its verdicts are wrong more often, and not by chance"
    elif judged.decided >= FEWEST_DECISIONS and judged.right.difference <= -MARGIN:
        yield f"it is wrong on {-judged.right.difference:.1%} more of the photos"


def _missing_decisions(judged: Judged | None) -> Recommendation | None:
    if judged is None:
        reason = "nobody has decided about these photos"
        return Recommendation(NOT_ENOUGH, (reason,), FEWEST_DECISIONS)
    if judged.decided < FEWEST_DECISIONS:
        reason = f"people have decided about fewer than {FEWEST_DECISIONS} photos"
        return Recommendation(NOT_ENOUGH, (reason,), FEWEST_DECISIONS - judged.decided)
    if judged.right.low > -MARGIN:
        return None
    # It reaches the margin only below 0: a better bundle has no upper limit.
    right = judged.right
    variance = (right.only_old + right.only_new) / right.photos - right.difference**2
    needed = math.ceil(1.96**2 * variance / (MARGIN + right.difference) ** 2)
    reason = f"it may be wrong on more than {MARGIN:.0%} more of the photos (95 % interval)"
    return Recommendation(NOT_ENOUGH, (reason,), max(1, needed - judged.decided))


def _missing_photos(damaged: PairedDifference, limits: Limits) -> Recommendation | None:
    if not damaged.may_be_beyond(limits.damaged):
        return None
    reason = (
        "the share of damaged photos may differ by more than DAMAGE_ROLLOUT_DAMAGED_LIMIT (95 % "
        "interval)"
    )
    more = damaged.photos_needed(limits.damaged) - damaged.photos
    return Recommendation(NOT_ENOUGH_PHOTOS, (reason,), max(0, more))


def _roll_out() -> Recommendation:
    reason = f"it is not wrong on more than {MARGIN:.0%} more of the photos (95 % interval)"
    return Recommendation(ROLL_OUT, (reason,))
