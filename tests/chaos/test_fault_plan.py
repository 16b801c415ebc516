"""The plan depends only on its seed, and is complete."""

from __future__ import annotations

from collections import Counter

import pytest

from tools.chaos.fault_plan import (
    CRASH,
    DEATHS,
    DELIVERER_DEATHS,
    HANG,
    OUTAGES,
    SHADOW_DEATHS,
    make_plan,
)


def test_the_same_seed_breaks_the_same_things() -> None:
    assert make_plan(7, 100, range(50)) == make_plan(7, 100, range(50))
    assert make_plan(7, 100, range(50)) != make_plan(8, 100, range(50))


@pytest.mark.parametrize("photos", [1, 20, 500])
def test_every_photo_and_every_hostile_input_is_sent_once(photos: int) -> None:
    plan = make_plan(1, photos, range(40), hangs=1 if photos > 1 else 0)
    numbers = [photo.number for _, burst, _ in plan.bursts for photo in burst]
    inputs = [number for _, _, burst in plan.bursts for number in burst]
    assert sorted(numbers) == list(range(photos))
    assert sorted(inputs) == list(range(40))
    assert [at for at, _, _ in plan.bursts] == sorted(at for at, _, _ in plan.bursts)


@pytest.mark.parametrize("photos", [1, 500])
def test_everything_is_broken_at_least_once(photos: int) -> None:
    plan = make_plan(3, photos, [])
    assert {fault.what for fault in plan.outages} == set(OUTAGES)
    assert {fault.what for fault in plan.deaths} == set(DEATHS)
    assert {fault.what for fault in plan.deliverer_deaths} == set(DELIVERER_DEATHS)
    assert {fault.what for fault in plan.shadow_deaths} == set(SHADOW_DEATHS)
    assert plan.pointer_moves


def test_outages_come_one_after_another_and_photos_until_near_the_end() -> None:
    plan = make_plan(5, 500, [])
    for fault, later in zip(plan.outages, plan.outages[1:], strict=False):
        assert fault.at + fault.seconds < later.at
    assert plan.bursts[-1][0] < plan.outages[-1].at


def test_messages_come_twice_photos_come_again_and_some_crash() -> None:
    plan = make_plan(1, 500, [], hangs=2)
    kinds = Counter(photo.kind for photo in plan.photos)
    assert (kinds[CRASH], kinds[HANG]) == (5, 2)
    assert any(photo.copies == 2 for photo in plan.photos)
    assert any(photo.picture != photo.number for photo in plan.photos)
    # The same body of plain JSON twice is two requests.
    assert all(photo.celery for photo in plan.photos if photo.copies == 2)


def test_a_case_announces_the_different_photos_that_can_be_examined() -> None:
    photos = make_plan(1, 500, [], hangs=2).photos
    pictures: dict[int, set[int]] = {}
    for photo in photos:
        assert (photo.case is None) == (photo.kind in (CRASH, HANG))
        if photo.case is not None:
            pictures.setdefault(photo.case, set()).add(photo.picture)
    for photo in photos:
        if photo.case is not None:
            assert photo.case_photos == len(pictures[photo.case])
