"""How far two people agree who decided about the same photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from damage_tasks.production_quality.estimates import LEVEL, Estimate
from damage_tasks.production_quality.wilson_interval import wilson_interval

MIN_PHOTOS = 10  # Cohen's kappa of fewer says nothing
DEVIATIONS = NormalDist().inv_cdf((1 + LEVEL) / 2)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often the first and the last person gave ``photos`` photos the same verdict.

    ``share``: of these photos, with Wilson's interval; None if there are none. ``kappa``: Cohen's,
    1 if they always agree and 0 if they agree as often as by chance; None for fewer than
    `MIN_PHOTOS` photos, and if all verdicts are the same, for which it is not defined.
    """

    photos: int
    share: Estimate | None
    kappa: float | None


def agreement(pairs: Iterable[tuple[str, str]]) -> Agreement:
    """The agreement of ``pairs`` of verdicts, one for each photo."""
    pairs = list(pairs)
    photos, agreed = len(pairs), sum(first == last for first, last in pairs)
    if not photos:
        return Agreement(0, None, None)
    share = Estimate(agreed / photos, *wilson_interval(agreed, photos, DEVIATIONS))
    firsts, lasts = Counter(first for first, _ in pairs), Counter(last for _, last in pairs)
    # In photos squared, because whole numbers are exact.
    chance = sum(number * lasts[verdict] for verdict, number in firsts.items())
    possible = photos**2 - chance
    is_defined = photos >= MIN_PHOTOS and possible > 0
    return Agreement(photos, share, (photos * agreed - chance) / possible if is_defined else None)
