"""Comparison of two bundles on the same photos."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from model_training.evaluation.paired_comparison import compare_paired, paired_rows
from model_training.evaluation.photo_result import PhotoResult

pytestmark = pytest.mark.slow


def result(number: int, **changes: Any) -> PhotoResult:
    """An even number is a detected damaged photo, an odd one a clean photo."""
    damaged = number % 2 == 0
    plain = PhotoResult(
        id=str(number), source="", domain="", group="", kind="typed" if damaged else "negative",
        view="whole", damaged=damaged, area=0.1 * damaged, brightness=120,
        score=0.9 if damaged else 0.1, gate_score=0.9 if damaged else 0.1, found=damaged,
        ended_by="", cpu_s=0.1, seconds=0.1, any=(0.05, 0.1, 0.1) if damaged else (0, 0, 0),
    )  # fmt: skip
    return replace(plain, **changes)


def test_a_bundle_does_not_differ_from_itself() -> None:
    results = [result(number) for number in range(20)]
    found = compare_paired(results, results)
    assert found.figures["any_iou"].value == pytest.approx(1 / 3)
    assert not any(difference.sure for difference in found.figures.values())
    assert found.cpu_ratio == 1
    assert found.missed.p == 1


def test_what_every_photo_shows_is_sure() -> None:
    better = [result(n, **({"any": (0.08, 0.1, 0.1)} if n % 2 == 0 else {})) for n in range(20)]
    found = compare_paired(better, [result(n, cpu_s=0.2) for n in range(20)])
    assert found.figures["any_iou"].sure
    assert found.figures["any_iou"].low > 0
    assert found.cpu_ratio == pytest.approx(0.5)


def test_one_photo_that_only_one_of_both_misses_may_be_chance() -> None:
    missing = [result(n, **({"found": False} if n == 0 else {})) for n in range(20)]
    found = compare_paired(missing, [result(n) for n in range(20)])
    assert (found.missed.wrong_here, found.missed.wrong_there) == (1, 0)
    assert found.missed.p == 1
    _, rows = paired_rows(found)
    assert ["damaged photos missed by one bundle only", "1", "0", "p = 1.000",
            "may be chance"] in rows  # fmt: skip


def test_other_photos_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="different photos"):
        compare_paired([result(0)], [result(2)])
