"""A roll-out is stopped by clear differences only, for each reason."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest

from damage_tasks.inspection import Reason, Verdict
from damage_tasks.production_quality.rollout_comparison import Limits, exceeded_limits
from damage_tasks.results.rollout_outcomes import Outcomes, find_outcomes
from damage_tasks.results.store import Inspections
from damage_tasks.review.recording import record
from damage_tasks.settings import Settings
from model_store.identity import BundleIdentity
from tools.sample_pictures_and_results import NOW, damage, failed_inspection, finding, inspection

LIMITS = Limits.of(Settings())
OLD = Outcomes(photos=1000, failed=2, damaged=200, seconds=0.1, decided=200, disagreed=20)


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (Outcomes(photos=10, failed=10), "more photos fail: 10 of 10 instead of 2 of 1000"),
        (Outcomes(photos=1000, failed=60, damaged=188), "more photos fail: 60 of 1000"),
        (Outcomes(photos=300, damaged=150), "more photos are damaged: 150 of 300 instead of 200"),
        (Outcomes(photos=1000, damaged=20), "fewer photos are damaged: 20 of 1000"),
        (
            Outcomes(photos=1000, damaged=200, decided=100, disagreed=50),
            "inspectors disagree more often: 50 of 100 instead of 20 of 200",
        ),
        (
            Outcomes(photos=50, damaged=10, seconds=0.25),
            "photos take 2.5 times as long: 0.25 s instead of 0.10 s",
        ),
    ],
)
def test_each_limit_stops_a_roll_out(new: Outcomes, problem: str) -> None:
    (found,) = exceeded_limits(new, OLD, LIMITS)
    assert problem in found


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        Outcomes(),
        Outcomes(photos=3, failed=1, damaged=2, seconds=9.0, decided=1, disagreed=1),
        Outcomes(photos=1000, failed=12, damaged=280, seconds=0.19, decided=200, disagreed=35),
        Outcomes(photos=49, damaged=10, seconds=9.0),
    ],
)
def test_small_or_uncertain_differences_do_not(new: Outcomes) -> None:
    assert exceeded_limits(new, OLD, LIMITS) == []


def test_nothing_is_compared_with_a_bundle_that_has_no_photos() -> None:
    assert exceeded_limits(OLD, Outcomes(), LIMITS) == []


def test_the_same_networks_are_not_stopped_by_chance() -> None:
    """A thousand roll-outs, each compared at ten times, whose limits are all but zero."""
    random = Random(7)
    strict = Limits(failures=1e-6, damaged=1e-6, disagreement=1e-6, slowdown=2.0)
    stopped = 0
    for _ in range(1000):
        failed = damaged = old_failed = old_damaged = 0
        for step in range(1, 11):
            for _ in range(20):
                failed += random.random() < 0.02
                damaged += random.random() < 0.3
                old_failed += random.random() < 0.02
                old_damaged += random.random() < 0.3
            photos = 20 * step
            new = Outcomes(photos, failed, min(damaged, photos - failed))
            old = Outcomes(photos, old_failed, min(old_damaged, photos - old_failed))
            stopped += bool(exceeded_limits(new, old, strict))
    assert stopped <= 2


def test_outcomes_are_counted_by_bundle_in_the_database(database_url: str) -> None:
    store = Inspections(database_url)
    new = BundleIdentity("damage", "2.1.0", "c" * 64)

    def save(number: int, *damages: Any, **changes: Any) -> None:
        found = None if "verdict" in changes else finding(*damages)
        fields = {"bundle": new, "finished_at": NOW, **changes}
        store.save(inspection(f"photo-{number}", found, sha256=f"{number:064x}", **fields))

    timings = {"download": 900.0, "decode": 40.0, "segmentation": 50.0, "overlay": 10.0}
    for number in range(4):
        save(number, *([damage()] if number < 3 else []), timings_ms=timings)
    failed = {"verdict": Verdict.FAILED, "reason": Reason("unexpected", "x")}
    save(4, **failed)
    save(5, **failed, final_after=NOW + timedelta(days=4000))  # may still succeed
    store.save(failed_inspection("never-downloaded", bundle=new, finished_at=NOW))
    save(6, verdict=Verdict.REJECTED, reason=Reason("photo_not_found", "404"))
    save(7, bundle=BundleIdentity("damage", "2.0.0", "d" * 64))
    save(8, finished_at=NOW - timedelta(days=1))
    save(9, reused=True)
    for number, action in ((0, "no_damage"), (1, "confirm"), (7, "confirm")):
        record(store, f"photo-{number}", "ann", action)
    with store.transaction() as connection:
        since = NOW - timedelta(hours=1)
        found = find_outcomes(connection, since, {"c" * 64: "2.1.0", "e" * 64: "3.0.0"})
    store.close()
    assert found["c" * 64] == Outcomes(5, 1, 3, 0.1, 2, 1)
    assert found["e" * 64] == Outcomes()
