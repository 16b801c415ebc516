"""Two bundles are compared on the same photos, and only a sure result recommends a roll-out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from damage_tasks.damage import Damage
from damage_tasks.inspection import Verdict
from damage_tasks.production_quality.bundle_comparison import (
    compare_bundles,
    iou_of,
    judge,
    mcnemar,
    most_different,
)
from damage_tasks.production_quality.bundle_recommendation import (
    DO_NOT,
    NO_CLEAN_PHOTOS,
    NOT_ENOUGH,
    NOT_ENOUGH_PHOTOS,
    ROLL_OUT,
)
from damage_tasks.production_quality.rollout_comparison import Limits
from damage_tasks.results.bundle_pairs import BundleFinding, PhotoPair
from tools.sample_pictures_and_results import damage

SIZE = (200, 100)
LIMITS = Limits(failures=0.02, damaged=0.1, disagreement=0.1, slowdown=2.0)


def square(x: int, type: str = "dent") -> Damage:
    corners = ((x, 10), (x + 19, 10), (x + 19, 29), (x, 29))
    return replace(damage(type), polygon=corners)


def found(*damages: Damage, seconds: float | None = 0.1, score: float = 0.9) -> BundleFinding:
    verdict = Verdict.DAMAGED if damages else Verdict.CLEAN
    return BundleFinding(verdict, score if damages else 0.1, damages, SIZE, seconds)


def pair(old: bool, new: bool, damaged: bool | None = None, sha256: str = "a" * 64) -> PhotoPair:
    one, other = (found(*[square(10)] * is_damaged) for is_damaged in (old, new))
    return PhotoPair(sha256, one, other, damaged)


def advice(**counts: int) -> Any:
    """The recommendation with so many decided photos, all of them damaged."""
    kinds = {"both": (True, True), "old": (True, False), "new": (False, True)}
    pairs = [pair(*kinds[kind], True) for kind, n in counts.items() for _ in range(n)]
    return compare_bundles(pairs, LIMITS).recommendation


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 5), (1, 9), (7, 7), (30, 50)])
def test_mcnemar_is_the_exact_binomial_test(one: int, other: int) -> None:
    expected = stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert mcnemar(one, other) == pytest.approx(expected)


def test_the_interval_contains_the_difference() -> None:
    judged = judge([pair(True, True, True)] * 80 + [pair(False, True, True)] * 20)
    assert judged is not None
    assert judged.right.difference == pytest.approx(0.2)
    assert 0.1 < judged.right.low < 0.2 < judged.right.high < 0.3
    assert judged.p < 0.001
    assert (judged.both_right, judged.right.only_new, judged.both_wrong) == (80, 20, 0)


def test_only_decided_photos_are_judged() -> None:
    assert judge([pair(True, False)]) is None
    judged = judge([pair(True, False), pair(True, False, False)])
    assert judged is not None and (judged.decided, judged.right.only_new) == (1, 1)


def test_a_bundle_that_is_as_good_is_recommended_once_enough_people_decided() -> None:
    assert advice(both=150).text == ROLL_OUT
    few = advice(both=100)
    assert (few.text, few.more) == (NOT_ENOUGH, 50)
    nobody = compare_bundles([pair(True, True)], LIMITS).recommendation
    assert nobody.text == NOT_ENOUGH and nobody.more > 0


def test_a_bundle_that_is_clearly_worse_is_not_recommended() -> None:
    assert advice(both=80, old=20).text == DO_NOT
    assert advice(both=180, old=20, new=2).text == DO_NOT


def test_a_difference_that_may_be_chance_needs_more_decisions() -> None:
    unsure = advice(both=150, old=10, new=10)
    assert unsure.text == NOT_ENOUGH and 100 < unsure.more < 2000
    # With as many more of the same kind, and some for rounding, the answer is known.
    factor = 1.1 * (170 + unsure.more) / 170
    counts = {"both": 150, "old": 10, "new": 10}
    assert advice(**{kind: round(n * factor) for kind, n in counts.items()}).text == ROLL_OUT


def test_a_bundle_that_takes_too_long_is_not_recommended() -> None:
    slow = PhotoPair("a" * 64, found(seconds=0.1), found(seconds=0.5), None)
    assert compare_bundles([slow] * 3, LIMITS).recommendation.text == DO_NOT
    unknown = PhotoPair("a" * 64, found(seconds=None), found(seconds=0.5), None)
    assert compare_bundles([unknown], LIMITS).old_seconds is None


DECIDED = [pair(True, True, True)] * 150


@pytest.mark.parametrize(("old", "new", "words"), [(0, 1, "more"), (1, 0, "fewer")])
def test_a_bundle_whose_share_of_damaged_photos_differs_is_not_recommended(
    old: int, new: int, words: str
) -> None:
    # Nobody decided about these, and the inspectors confirm what both bundles found.
    undecided = [pair(bool(old), bool(new))] * 100
    comparison = compare_bundles([*DECIDED, *undecided], LIMITS)
    assert comparison.recommendation.text == DO_NOT
    (reason, *_) = comparison.recommendation.reasons
    assert f"it finds damage on 40.0% {words} of the photos" in reason
    damaged = comparison.damaged
    assert (damaged.only_old, damaged.only_new) == (100 * old, 100 * new)
    assert damaged.low < damaged.difference == (new - old) * 0.4 < damaged.high


@pytest.mark.parametrize(("photos", "text"), [(1, NOT_ENOUGH), (29, NOT_ENOUGH), (30, DO_NOT)])
def test_a_few_photos_that_are_all_alike_decide_nothing(photos: int, text: str) -> None:
    comparison = compare_bundles([pair(False, True)] * photos, LIMITS)
    assert comparison.damaged.low == 1.0
    assert comparison.recommendation.text == text


def test_a_share_of_damaged_photos_that_may_differ_needs_more_photos() -> None:
    clean, changed = pair(False, False), pair(False, True)
    counts = {"decided": 150, "clean": 50, "changed": 18}

    def advice_for(factor: float) -> Any:
        decided, same, other = (round(n * factor) for n in counts.values())
        pairs = [pair(True, True, True)] * decided + [clean] * same + [changed] * other
        return compare_bundles(pairs, LIMITS).recommendation

    unsure = advice_for(1)
    assert unsure.text == NOT_ENOUGH_PHOTOS and 200 < unsure.more < 2000
    assert advice_for(1.1 * (218 + unsure.more) / 218).text == ROLL_OUT
    exact = [*DECIDED, *[clean] * 30, *[changed] * 20]  # the limit itself
    assert compare_bundles(exact, LIMITS).recommendation.more == 0


def test_a_strict_limit_needs_more_photos_than_decisions() -> None:
    strict = replace(LIMITS, damaged=0.01)
    assert compare_bundles(DECIDED, strict).recommendation.text == NOT_ENOUGH_PHOTOS
    assert compare_bundles(DECIDED * 2, strict).recommendation.text == ROLL_OUT


@pytest.mark.parametrize(
    ("failed", "text"), [(0, ROLL_OUT), (1, ROLL_OUT), (8, NOT_ENOUGH_PHOTOS), (30, DO_NOT)]
)
def test_a_bundle_that_fails_on_more_photos_than_the_limit_is_not_recommended(
    failed: int, text: str
) -> None:
    advice = compare_bundles(DECIDED * 3, LIMITS, failed).recommendation
    assert advice.text == text
    if text != ROLL_OUT:
        assert f"it failed on {failed} of {450 + failed} photos" in advice.reasons[0]


def test_the_recommendation_says_that_no_clean_photo_was_compared() -> None:
    assert NO_CLEAN_PHOTOS in compare_bundles(DECIDED, LIMITS).recommendation.reasons
    some = compare_bundles([*DECIDED, pair(False, False)], LIMITS).recommendation
    assert some.text == ROLL_OUT and NO_CLEAN_PHOTOS not in some.reasons


def test_masks_overlap_by_area() -> None:
    shifted = PhotoPair("a" * 64, found(square(10)), found(square(20)), None)
    assert iou_of(shifted) == pytest.approx(1 / 3, abs=0.02)
    assert iou_of(pair(True, True)) == 1.0
    assert iou_of(pair(True, False)) == 0.0
    assert iou_of(pair(False, False)) is None
    other_type = PhotoPair("a" * 64, found(square(10)), found(square(10, "scratch")), None)
    assert iou_of(other_type) == 1.0 and iou_of(other_type, "dent") == 0.0


def test_types_and_verdicts_are_counted() -> None:
    other = PhotoPair("a" * 64, found(square(10)), found(square(10), square(60, "scratch")), None)
    comparison = compare_bundles([pair(True, False), pair(False, False), other], LIMITS)
    assert comparison.verdicts == {
        ("damaged", "clean"): 1, ("clean", "clean"): 1, ("damaged", "damaged"): 1,
    }  # fmt: skip
    dent, scratch = comparison.types["dent"], comparison.types["scratch"]
    assert (dent.both, dent.only_old, dent.only_new, dent.iou) == (1, 1, 0, 1.0)
    assert (scratch.both, scratch.only_new, scratch.iou) == (0, 1, None)
    assert comparison.agreement == pytest.approx(2 / 3)


def test_different_verdicts_come_before_different_areas() -> None:
    same = pair(True, True, sha256="a" * 64)
    shifted = PhotoPair("b" * 64, found(square(10)), found(square(20)), None)
    changed = pair(True, False, sha256="c" * 64)
    shown = most_different([same, shifted, changed], 5)
    assert [each.photo_sha256[0] for each in shown] == ["c", "b"]
