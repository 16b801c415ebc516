"""Damage is new only if a comparable earlier photo shows its place without it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from damage_tasks.damage_history import (
    NO_EARLIER_PHOTO,
    EarlierPhoto,
    Evidence,
    Novelty,
    combine,
    combine_all,
    unknown_history,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def earlier(days: int) -> EarlierPhoto:
    return EarlierPhoto(f"{days} days ago", NOON - timedelta(days=days))


def history(*found: Evidence) -> tuple[Novelty, str, str | None]:
    """What is said if the photos of 1, 2, ... days ago gave ``found``."""
    done = combine(1, [(earlier(days), each) for days, each in enumerate(found, 1)])
    id = done.earlier.inspection_id if done.earlier else None
    return done.novelty, done.reason, id


def test_damage_is_new_since_the_latest_photo_that_shows_its_place_without_it() -> None:
    found = history(Evidence.OTHER_VIEW, Evidence.ABSENT, Evidence.ABSENT)
    assert found == (Novelty.NEW, "absent", "2 days ago")


@pytest.mark.parametrize("seen", [Evidence.MARKED, Evidence.SAME_LOOK])
def test_one_photo_that_shows_it_outweighs_all_others(seen: Evidence) -> None:
    found = history(Evidence.ABSENT, seen, seen, Evidence.ABSENT)
    assert found == (Novelty.SEEN_BEFORE, str(seen), "3 days ago")


def test_without_a_comparable_view_nobody_can_tell() -> None:
    found = history(Evidence.NOT_KEPT, Evidence.TOO_COARSE, Evidence.OTHER_VIEW)
    assert found == (Novelty.UNKNOWN, "too_coarse", None)
    assert history() == (Novelty.UNKNOWN, NO_EARLIER_PHOTO, None)


def test_damage_is_not_new_before_all_photos_were_compared() -> None:
    assert history(Evidence.ABSENT, Evidence.NOT_COMPARED)[:2] == (Novelty.UNKNOWN, "not_compared")
    assert history(Evidence.MARKED, Evidence.NOT_COMPARED)[0] is Novelty.SEEN_BEFORE


def test_each_area_has_its_own_history() -> None:
    both = combine_all(2, [(earlier(1), [Evidence.ABSENT, Evidence.MARKED]), (earlier(2), None)])
    assert [each.novelty for each in both.damages] == [Novelty.UNKNOWN, Novelty.SEEN_BEFORE]
    assert (both.earlier_photos, both.compared, both.is_complete) == (2, 1, False)
    assert both.to_dict()["damages"][1] == {
        "number": 2,
        "novelty": "seen_before",
        "reason": "marked",
        "earlier": {"inspection_id": "1 days ago", "finished_at": "2026-11-21T12:00:00+00:00"},
    }


def test_nothing_is_said_about_a_photo_without_a_car() -> None:
    said = unknown_history(2, "no_car")
    assert [(each.number, each.reason) for each in said.damages] == [(1, "no_car"), (2, "no_car")]
    assert said.is_complete
