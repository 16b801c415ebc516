"""The simulated queue: its arithmetic, and its reaction to changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleet_costs import Prices, dollars, loads
from benchmarks.queue_simulation import (
    DAY_SECONDS,
    Fleet,
    Scaler,
    ages_of,
    daily_curve,
    simulate,
    weighted_percentile,
)

FLEET = Fleet(pod_rate=10.0, max_pods=20)


@pytest.mark.parametrize("peak_factor", [1.5, 4.0, 8.0])
def test_the_curve_has_the_requested_photos_and_peak(peak_factor: float) -> None:
    curve = daily_curve(800_000, peak_factor)
    assert curve.sum() == pytest.approx(800_000)
    assert curve.max() == pytest.approx(800_000 / DAY_SECONDS * peak_factor, rel=0.01)
    assert np.argmax(curve) == pytest.approx(18 * 3600, abs=60)


def test_a_peak_below_the_mean_is_refused() -> None:
    with pytest.raises(ValueError, match="peak factor must be greater than 1"):
        daily_curve(1000, 0.5)


def test_ages_are_the_time_between_coming_and_leaving() -> None:
    # Ten photos arrive in second 0; one is finished in each of the ten seconds.
    arrivals, finished = np.zeros(10), np.ones(10)
    arrivals[0] = 10
    assert ages_of(arrivals, finished) == pytest.approx(0.45 + 0.9 * np.arange(10), abs=0.51)
    assert weighted_percentile(np.array([1.0, 2, 3]), np.array([1.0, 1, 98]), 50) == 3


def test_every_photo_is_examined_once() -> None:
    day = simulate(daily_curve(800_000, 4, 2 * DAY_SECONDS), FLEET)
    assert day.finished.sum() == pytest.approx(day.arrivals.sum(), abs=200)
    assert day.backlog.min() >= 0
    assert day.pods.max() <= FLEET.max_pods


def test_too_few_workers_make_old_photos() -> None:
    curve = daily_curve(800_000, 4, 2 * DAY_SECONDS)
    enough, few = (simulate(curve, replace(FLEET, max_pods=most)) for most in (20, 3))
    assert enough.age(99) < 120 < few.age(99)


@pytest.mark.slow
def test_slow_nodes_and_a_storm_make_photos_older() -> None:
    curve = daily_curve(8_000_000, 4, 2 * DAY_SECONDS)
    fleet = replace(FLEET, max_pods=60)
    calm = simulate(curve, fleet)
    assert simulate(curve, replace(fleet, node_start=600)).age(99) > calm.age(99)
    assert simulate(curve, replace(fleet, storm=0.8)).ages.max() > calm.ages.max()


def test_costs_and_loads_grow_with_photos() -> None:
    cost = dollars(1_000_000, 10, Prices())
    assert cost["nodes"] == pytest.approx(0.8)
    assert cost["S3"] == pytest.approx(0.4 + 5.5)  # one read, 1.1 writes
    cpu = {"postgres": 4.0}
    small, large = loads(37, 8e5, 5, cpu), loads(3700, 8e7, 400, cpu)
    assert all(load.share <= 1 for load in small)
    assert sum(load.share > 1 for load in large) >= 3
    assert large[0].share == max(load.share for load in large)


@pytest.mark.parametrize(("policy", "writes"), [("all", 2.0), ("overlay", 1.1), ("none", 0.2)])
def test_the_setting_of_clean_pictures_decides_the_costs_of_s3(policy: str, writes: float) -> None:
    assert dollars(1_000_000, 0, Prices(), policy)["S3"] == pytest.approx(0.4 + 5 * writes)


def test_pods_that_are_still_starting_go_before_those_that_work() -> None:
    scaler = Scaler(FLEET, np.random.default_rng(0), storm_at=-1)
    scaler.running, scaler.wanted = 2, 9
    scaler.starting.extend([(10.0, 3), (20.0, 4)])
    scaler.stop_pods(6)
    assert (scaler.running, list(scaler.starting)) == (2, [(10.0, 1)])
    scaler.stop_pods(2)
    assert (scaler.running, list(scaler.starting)) == (1, [])


def test_each_process_has_a_connection_to_the_database() -> None:
    found = {load.part: load.use for load in loads(37, 800_000, 6, {"postgres": 2.0})}
    assert found["database connections"] == 6 * 5
    assert found["SQS messages in flight"] == 6 * 5 * 4
