"""Compares two bundles on the same photos, and recommends whether to roll out the second."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.damage import Damage
from damage_tasks.production_quality.bundle_recommendation import (
    NO_CLEAN_PHOTOS,
    Judged,
    Recommendation,
    recommend,
)
from damage_tasks.production_quality.paired_difference import PairedDifference, paired_difference
from damage_tasks.production_quality.rollout_comparison import Limits
from damage_tasks.results.bundle_pairs import PhotoPair

MASK_SIDE_PX = 512


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
class BundleComparison:
    """The comparison of ``old`` and ``new``; ``seconds`` are medians of a photo's computing."""

    photos: int
    failed: int  # further photos, on which the new bundle failed
    verdicts: Mapping[tuple[str, str], int]  # old, new
    damaged: PairedDifference  # of the shares of damaged photos
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
        return same / self.photos


def compare_bundles(
    pairs: Sequence[PhotoPair], limits: Limits, failed: int = 0
) -> BundleComparison:
    """Compare on ``pairs``, which must not be empty; a bundle beyond ``limits`` is refused.

    The new bundle ``failed`` on so many further photos.
    """
    judged, damaged = judge(pairs), _damaged(pairs)
    old_seconds = _median(pair.old.seconds for pair in pairs)
    new_seconds = _median(pair.new.seconds for pair in pairs)
    slowdown = new_seconds / old_seconds if old_seconds and new_seconds else None
    advice = recommend(judged, damaged, limits, slowdown=slowdown, failed=failed)
    if all(pair.old.is_damaged for pair in pairs):
        advice = replace(advice, reasons=(*advice.reasons, NO_CLEAN_PHOTOS))
    names = sorted({d.type for pair in pairs for d in (*pair.old.damages, *pair.new.damages)})
    return BundleComparison(
        photos=len(pairs),
        failed=failed,
        verdicts=Counter((str(pair.old.verdict), str(pair.new.verdict)) for pair in pairs),
        damaged=damaged,
        types={name: _type_agreement(pairs, name) for name in names},
        iou=_mean(iou_of(pair) for pair in pairs),
        old_seconds=old_seconds,
        new_seconds=new_seconds,
        judged=judged,
        recommendation=advice,
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
    difference = paired_difference(decided, only_old, only_new)
    return Judged(difference, right[True, True], mcnemar(only_old, only_new))


def mcnemar(only_old: int, only_new: int) -> float:
    """The p value of McNemar's exact test, two-sided: 1 without a difference."""
    total, least = only_old + only_new, min(only_old, only_new)
    tail = sum(math.comb(total, k) for k in range(least + 1))
    return min(1.0, float(2 * tail / 2**total))


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


def _damaged(pairs: Sequence[PhotoPair]) -> PairedDifference:
    found = Counter((pair.old.is_damaged, pair.new.is_damaged) for pair in pairs)
    return paired_difference(len(pairs), found[True, False], found[False, True])


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
