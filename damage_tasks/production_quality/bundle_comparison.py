"""Compares two bundles on the same photos, and recommends whether to roll out the second."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.damage import Damage
from damage_tasks.results.bundle_pairs import PhotoPair

MASK_SIDE_PX = 512
# The new bundle may be wrong on this share more of the photos, as far as chance is concerned.
MARGIN = 0.02
# Without a single difference, fewer decisions do not exclude that many errors (rule of three).
FEWEST_DECISIONS = math.ceil(3 / MARGIN)
BOOTSTRAPS = 10_000
ROLL_OUT, DO_NOT, NOT_ENOUGH = "roll out", "do not roll out", "not enough decisions"


@dataclass(frozen=True, slots=True)
class TypeAgreement:
    """Photos on which both bundles, or only one, found damage of a type.

    ``iou`` is the mean intersection over union where both did; None without such photos.
    """

    both: int
    only_old: int
    only_new: int
    iou: float | None


@dataclass(frozen=True, slots=True)
class Judged:
    """How often the verdicts are right, by people's decisions.

    ``low`` to ``high`` is the 95 % bootstrap interval of ``difference``, the new bundle's share of
    right verdicts minus the old one's; ``p`` is that of McNemar's exact test.
    """

    decided: int
    only_old_right: int
    only_new_right: int
    both_right: int
    difference: float
    low: float
    high: float
    p: float

    @property
    def both_wrong(self) -> int:
        """Photos on which both verdicts are wrong."""
        return self.decided - self.both_right - self.only_old_right - self.only_new_right


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do, and why; ``more`` is how many more decisions are needed."""

    text: str
    reasons: tuple[str, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class BundleComparison:
    """The comparison of ``old`` and ``new``; ``seconds`` are medians of a photo's computing."""

    photos: int
    verdicts: Mapping[tuple[str, str], int]  # old, new
    types: Mapping[str, TypeAgreement]
    iou: float | None
    old_seconds: float | None
    new_seconds: float | None
    judged: Judged | None
    recommendation: Recommendation

    @property
    def agreement(self) -> float:
        """The share of photos (0 to 1) with the same verdict."""
        same = sum(n for (old, new), n in self.verdicts.items() if old == new)
        return same / self.photos if self.photos else 0.0


def compare_bundles(pairs: Sequence[PhotoPair], slowdown_limit: float) -> BundleComparison:
    """Compare; a new bundle that takes ``slowdown_limit`` times as long is not recommended."""
    judged = judge(pairs)
    old_seconds = _median(pair.old.seconds for pair in pairs)
    new_seconds = _median(pair.new.seconds for pair in pairs)
    is_slow = bool(old_seconds and new_seconds and new_seconds > slowdown_limit * old_seconds)
    names = sorted({d.type for pair in pairs for d in (*pair.old.damages, *pair.new.damages)})
    return BundleComparison(
        photos=len(pairs),
        verdicts=Counter((str(pair.old.verdict), str(pair.new.verdict)) for pair in pairs),
        types={name: _type_agreement(pairs, name) for name in names},
        iou=_mean(iou_of(pair) for pair in pairs),
        old_seconds=old_seconds,
        new_seconds=new_seconds,
        judged=judged,
        recommendation=recommend(judged, is_slow=is_slow),
    )


def judge(pairs: Iterable[PhotoPair]) -> Judged | None:
    """Who was right where people decided; None without decisions."""
    right: Counter[tuple[bool, bool]] = Counter(
        (pair.old.is_damaged == pair.damaged, pair.new.is_damaged == pair.damaged)
        for pair in pairs
        if pair.damaged is not None
    )
    decided = right.total()
    if not decided:
        return None
    only_old, only_new = right[True, False], right[False, True]
    shares = np.array([only_old, only_new, decided - only_old - only_new]) / decided
    drawn = np.random.default_rng(0).multinomial(decided, shares, BOOTSTRAPS)
    low, high = np.quantile((drawn[:, 1] - drawn[:, 0]) / decided, [0.025, 0.975])
    return Judged(
        decided, only_old, only_new, right[True, True], (only_new - only_old) / decided,
        float(low), float(high), mcnemar(only_old, only_new),
    )  # fmt: skip


def mcnemar(only_old: int, only_new: int) -> float:
    """The p value of McNemar's exact test, two-sided: 1 without a difference."""
    total, least = only_old + only_new, min(only_old, only_new)
    tail = sum(math.comb(total, k) for k in range(least + 1))
    return min(1.0, float(2 * tail / 2**total))


def recommend(judged: Judged | None, *, is_slow: bool) -> Recommendation:
    """The recommendation for the new bundle."""
    if is_slow:
        return Recommendation(
            DO_NOT, ("it takes much longer for a photo (DAMAGE_ROLLOUT_SLOWDOWN_LIMIT)",)
        )
    if judged is None:
        return Recommendation(
            NOT_ENOUGH, ("nobody has decided about these photos",), FEWEST_DECISIONS
        )
    if judged.high < 0 and judged.p < 0.05:
        return Recommendation(DO_NOT, ("its verdicts are wrong more often, and not by chance",))
    if judged.decided < FEWEST_DECISIONS:
        more = FEWEST_DECISIONS - judged.decided
        reason = f"people have decided about fewer than {FEWEST_DECISIONS} photos"
        return Recommendation(NOT_ENOUGH, (reason,), more)
    if judged.low > -MARGIN:
        reason = f"it is not wrong on more than {MARGIN:.0%} more of the photos (95 % interval)"
        return Recommendation(ROLL_OUT, (reason,))
    if judged.difference <= -MARGIN:
        reason = f"it is wrong on {-judged.difference:.1%} more of the photos"
        return Recommendation(DO_NOT, (reason,))
    discordant = (judged.only_old_right + judged.only_new_right) / judged.decided
    variance = discordant - judged.difference**2
    needed = math.ceil(1.96**2 * variance / (MARGIN + judged.difference) ** 2)
    reason = f"it may be wrong on more than {MARGIN:.0%} more of the photos (95 % interval)"
    return Recommendation(NOT_ENOUGH, (reason,), max(1, needed - judged.decided))


def iou_of(pair: PhotoPair, type: str | None = None) -> float | None:
    """Intersection over union of the damaged areas, of one type or all; None without either."""
    old, new = (_mask(f.damages, f.photo_size, type) for f in (pair.old, pair.new))
    union = np.count_nonzero(old | new)
    return float(np.count_nonzero(old & new) / union) if union else None


def most_different(pairs: Iterable[PhotoPair], limit: int) -> list[PhotoPair]:
    """The photos that differ most: by verdict, then by damaged area, then by score."""

    def difference(pair: PhotoPair) -> tuple[bool, float, float]:
        iou = iou_of(pair)
        score = abs(pair.old.damage_score - pair.new.damage_score)
        return pair.old.verdict != pair.new.verdict, 1 - (1.0 if iou is None else iou), score

    differing = [pair for pair in pairs if difference(pair) > (False, 0.0, 0.0)]
    return sorted(differing, key=difference, reverse=True)[:limit]


def _type_agreement(pairs: Iterable[PhotoPair], type: str) -> TypeAgreement:
    found: Counter[tuple[bool, bool]] = Counter()
    overlaps: list[float | None] = []
    for pair in pairs:
        each = [any(d.type == type for d in f.damages) for f in (pair.old, pair.new)]
        found[each[0], each[1]] += 1
        if all(each):
            overlaps.append(iou_of(pair, type))
    return TypeAgreement(found[True, True], found[True, False], found[False, True], _mean(overlaps))


def _mask(damages: Iterable[Damage], size: tuple[int, int], type: str | None) -> NDArray[np.bool_]:
    scale = min(1.0, MASK_SIDE_PX / max(size))
    mask = np.zeros((max(1, round(size[1] * scale)), max(1, round(size[0] * scale))), np.uint8)
    outlines = [
        np.round(np.array(damage.polygon) * scale).astype(np.int32)
        for damage in damages
        if type in (None, damage.type)
    ]
    for outline in outlines:
        cv2.fillPoly(mask, [outline], 1)
    return mask.astype(bool)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
