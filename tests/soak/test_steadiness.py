"""Growth is distinguished from noise, restarts and warm-up."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tools.soak.steadiness import FLAT, GROWS, UNCLEAR, Allowance, trend

SECONDS = [5.0 * n for n in range(540)]  # 45 minutes
ONE_PERCENT = Allowance(0.0, share=0.01)


def noise(scale: float, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, scale, len(SECONDS))


def test_noise_around_a_level_is_flat() -> None:
    found = trend(SECONDS, 500 + noise(2))
    assert found.level == pytest.approx(500, abs=0.5)
    assert found.low < 0 < found.high
    assert found.verdict(ONE_PERCENT) == FLAT


def test_slow_growth_under_noise_is_noticed() -> None:
    found = trend(SECONDS, 500 + noise(2) + [10 * at / 3600 for at in SECONDS])
    assert found.per_hour == pytest.approx(10, abs=2)
    assert found.low < 10 < found.high
    assert found.verdict(ONE_PERCENT) == GROWS


def test_growth_within_the_allowance_is_flat() -> None:
    found = trend(SECONDS, 500 + noise(0.1) + [2 * at / 3600 for at in SECONDS])
    assert found.low > 0
    assert found.verdict(ONE_PERCENT) == FLAT


def test_a_figure_that_shrinks_is_flat() -> None:
    assert trend(SECONDS, 500 + noise(1) - SECONDS).verdict(ONE_PERCENT) == FLAT


def test_growth_that_may_be_noise_is_unclear() -> None:
    found = trend(SECONDS[:60], (500 + noise(20))[:60])
    assert found.high > 5
    assert found.verdict(ONE_PERCENT) == UNCLEAR


def test_growth_above_the_allowance_that_may_be_noise_is_unclear() -> None:
    few = SECONDS[:60]
    found = trend(few, (500 + noise(20, seed=3))[:60] + [60 * at / 3600 for at in few])
    assert found.low < 0
    assert found.per_hour > 5
    assert found.verdict(ONE_PERCENT) == UNCLEAR


def test_a_moment_without_connections_is_not_growth() -> None:
    values = np.full(len(SECONDS), 6.0)
    values[::60] = 0
    found = trend(SECONDS, values)
    assert found.per_hour == pytest.approx(0)
    assert found.verdict(Allowance(1.0)) == FLAT


def test_one_more_descriptor_every_five_minutes_is_growth() -> None:
    values = [20 + at // 300 for at in SECONDS]
    assert trend(SECONDS, values).verdict(Allowance(2.0)) == GROWS


def test_too_few_samples_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least 12 are needed"):
        trend(SECONDS[:8], [1.0] * 8)
    with pytest.raises(ValueError, match="at least 12 are needed"):
        trend([], [])
