"""Which lives and ages are compared, and what several lives tell together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tools.soak.lives import Life, growth_between, growth_within
from tools.soak.steadiness import FLAT, GROWS, UNCLEAR, Allowance

KEY = "memory, MB"
TWO = Allowance(2.0)
WARM_UP = 900.0
HALF_AN_HOUR = 1800.0


def life(level: Callable[[float], float], *, begun: float = 0.0, age: float = HALF_AN_HOUR) -> Life:
    """A process with this level at each age in seconds, measured every five seconds."""
    made = Life(1, begun, begun)
    for at in np.arange(0, age, 5.0):
        made.add(begun + float(at), {KEY: level(float(at))})
    return made


def growing(per_hour: float, noise: float = 0.0, seed: int = 0) -> Callable[[float], float]:
    rng = np.random.default_rng(seed)
    return lambda age: 100 + per_hour * age / 3600 + float(rng.normal(0, noise))


def verdict_between(*lives: Life) -> str:
    growth = growth_between(lives, KEY, TWO)
    assert growth
    return growth.verdict


def test_a_process_that_was_killed_young_does_not_hide_a_step_that_comes_later() -> None:
    settled = [
        life(lambda age, more=20 * n: 100 + (more if age > 600 else 0), begun=HALF_AN_HOUR * n)  # type: ignore[misc]
        for n in range(3)
    ]
    killed = life(lambda age: 100.0, begun=3 * HALF_AN_HOUR, age=400.0)
    assert verdict_between(*settled, killed) == GROWS


def test_lives_are_compared_at_the_later_half_of_their_ages() -> None:
    lives = [
        life(lambda age, more=20 * n: 100 + (more if age > 950 else 0), begun=HALF_AN_HOUR * n)  # type: ignore[misc]
        for n in range(3)
    ]
    assert verdict_between(*lives) == GROWS


def test_lives_that_are_unclear_one_by_one_may_grow_together() -> None:
    lives = [life(growing(5, noise=10, seed=seed)) for seed in range(40)]
    unclear = [each for each in lives if _within([each]) == UNCLEAR]
    assert len(unclear) >= 12
    assert _within(unclear) == GROWS


def test_a_life_that_hardly_outlived_its_warm_up_is_not_judged() -> None:
    assert growth_within([life(growing(100), age=WARM_UP + 100)], KEY, TWO, WARM_UP) is None
    assert _within([life(growing(0), age=WARM_UP + 300)]) == FLAT


def test_of_growing_lives_the_steepest_is_reported() -> None:
    growth = growth_within([life(growing(per_hour)) for per_hour in (8, 20)], KEY, TWO, WARM_UP)
    assert growth
    assert growth.trend.per_hour == pytest.approx(20, abs=0.1)


def test_a_late_rise_to_what_an_earlier_life_had_soon_is_not_growth() -> None:
    def risen(age: float) -> float:
        return 125 if age < 1200 else 135

    earlier, later = life(lambda age: 134.5), life(risen, begun=HALF_AN_HOUR)
    assert _within([later]) == GROWS
    assert _within([earlier, later]) == UNCLEAR


def test_a_late_rise_beyond_all_earlier_lives_is_growth() -> None:
    def risen(age: float) -> float:
        return 125 if age < 1200 else 145

    assert _within([life(lambda age: 134.5), life(risen, begun=HALF_AN_HOUR)]) == GROWS


def test_lives_that_all_leak_do_not_excuse_each_other() -> None:
    leaking = [life(growing(12), begun=HALF_AN_HOUR * n) for n in range(4)]
    assert _within(leaking) == GROWS


def _within(lives: list[Life]) -> str:
    growth = growth_within(lives, KEY, TWO, 0.0)
    assert growth
    return growth.verdict
