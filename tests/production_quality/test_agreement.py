"""How far two people agree, against values worked out by hand."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from damage_tasks.production_quality.agreement import Agreement, agreement


def pairs(
    both_damaged: int, first_only: int, last_only: int, both_clean: int
) -> list[tuple[str, str]]:
    return [
        *[("damaged", "damaged")] * both_damaged,
        *[("damaged", "clean")] * first_only,
        *[("clean", "damaged")] * last_only,
        *[("clean", "clean")] * both_clean,
    ]


def test_share_interval_and_kappa_of_fifty_photos() -> None:
    """35 of 50 agree; by chance 25 * 30 / 2500 + 25 * 20 / 2500 = half of them would."""
    found = agreement(pairs(20, 5, 10, 15))
    assert found.photos == 50
    assert found.kappa == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert found.share is not None
    # z = 1.96: (0.7 + z² / 100 ± z √(0.21 / 50 + z² / 10000)) / (1 + z² / 50)
    assert astuple(found.share) == pytest.approx((0.7, 0.5625, 0.8090), abs=1e-4)


def test_people_who_always_agree_have_a_kappa_of_one() -> None:
    found = agreement(pairs(4, 0, 0, 6))
    assert found.kappa == 1.0
    assert found.share is not None
    # The lower limit is 10 / (10 + z²).
    assert astuple(found.share) == pytest.approx((1.0, 0.7225, 1.0), abs=1e-4)


@pytest.mark.parametrize(
    ("photos", "kappa"),
    [
        (pairs(3, 3, 3, 3), 0.0),  # as often as by chance
        (pairs(0, 5, 5, 0), -1.0),  # never
        (pairs(9, 1, 0, 0), 0.0),  # the last person called everything damaged but one
        (pairs(10, 0, 0, 0), None),  # not defined
        (pairs(4, 0, 0, 5), None),  # too few
    ],
)
def test_kappa(photos: list[tuple[str, str]], kappa: float | None) -> None:
    assert agreement(photos).kappa == kappa


def test_without_photos_nothing_is_known() -> None:
    assert agreement([]) == Agreement(0, None, None)
