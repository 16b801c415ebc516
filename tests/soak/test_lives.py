"""Replacing processes does not count as growth, and does not hide growth."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tools.soak.figures import problems_of
from tools.soak.lives import Life, growth_between
from tools.soak.long_run import LongRun
from tools.soak.samples import (
    ALLOWANCES,
    BETWEEN,
    DESCRIPTORS,
    MEMORY,
    PROCESSES,
    REPLACED,
    STEP,
    THREADS,
    WITHIN,
    ProcessFigures,
    Samples,
)
from tools.soak.steadiness import FLAT, GROWS, UNCLEAR, Growth

HOUR = 3600
WARM_UP = 900.0
SAMPLE_SECONDS = 5
LIFE_SECONDS = 33 * 60.0

Level = Callable[[float, float], float]  # of the seconds of birth, and the age in seconds


def settled(born: float, age: float) -> float:
    """Megabytes of a process that fills its caches."""
    return 150 - 40 * float(np.exp(-age / 60))


def processes(
    at: float, memory: Level, descriptors: Level, life: float, starts: Sequence[float], noise: float
) -> Iterator[ProcessFigures]:
    rng = np.random.default_rng(int(at))
    for slot, start in enumerate(starts):
        if at < start:
            continue
        # The processes of a worker end one after the other.
        each = life + 40 * slot
        born = start + (at - start) // each * each
        yield ProcessFigures(
            slot,
            born,
            at - born,
            {
                MEMORY: memory(born, at - born) + float(rng.normal(0, noise)),
                DESCRIPTORS: descriptors(born, at - born),
                THREADS: 3.0,
            },
        )


def an_hour(
    memory: Level = settled,
    descriptors: Level = lambda born, age: 23.0,
    life: float = LIFE_SECONDS,
    starts: Sequence[float] = (0.0, 0.0),
    noise: float = 0.2,
) -> Samples:
    samples = Samples()
    for at in range(0, HOUR, SAMPLE_SECONDS):
        now = list(processes(at, memory, descriptors, life, starts, noise))
        samples.add(at, {}, {"worker": now})
    return samples


def problems(growth: dict[str, Growth], tmp_path: Path) -> list[str]:
    return problems_of(LongRun(tmp_path, tmp_path), growth)


def test_processes_that_are_replaced_by_others_of_the_same_size_are_flat(tmp_path: Path) -> None:
    growth = an_hour(life=15 * 60.0).growth(WARM_UP, WARM_UP / 2)
    for key in (MEMORY, DESCRIPTORS, THREADS):
        assert growth[f"worker, {WITHIN}: {key}"].verdict == FLAT
        assert growth[f"worker, {STEP}: {key}"].verdict == FLAT
        assert growth[f"worker, {BETWEEN}: {key}"].verdict == FLAT
    assert growth[f"worker: {PROCESSES}"].verdict == FLAT
    assert not problems(growth, tmp_path)


def test_a_program_whose_young_processes_are_smaller_is_explained_by_their_lives() -> None:
    growth = an_hour(
        memory=lambda born, age: 90.0 if age < 600 else 150.0, life=20 * 60.0, noise=0.02
    ).growth(WARM_UP)
    assert growth[f"worker, {WITHIN}: {MEMORY}"].verdict == FLAT
    assert growth[f"worker, {BETWEEN}: {MEMORY}"].verdict == FLAT
    assert growth[f"worker: {MEMORY}"].verdict == REPLACED


def test_lives_that_may_grow_explain_nothing() -> None:
    growth = an_hour(
        memory=lambda born, age: 90.0 if age < 600 else 150.0 + born / 900, life=20 * 60.0, noise=5
    ).growth(WARM_UP)
    assert growth[f"worker, {BETWEEN}: {MEMORY}"].verdict != FLAT
    assert growth[f"worker: {MEMORY}"].verdict != REPLACED


def test_a_process_that_gets_the_number_of_an_earlier_one_is_another_life() -> None:
    samples = Samples()
    for at in range(0, 100, SAMPLE_SECONDS):
        born = 0.0 if at < 50 else 50.0
        figures = dict.fromkeys((MEMORY, DESCRIPTORS, THREADS), 1.0)
        samples.add(at, {}, {"worker": [ProcessFigures(7, born, at - born, figures)]})
    assert [life.begun for life in samples.lives["worker"]] == [0.0, 50.0]


def test_memory_that_leaks_in_every_life_is_found_though_replacement_returns_it(
    tmp_path: Path,
) -> None:
    growth = an_hour(memory=lambda born, age: settled(born, age) + 10 * age / HOUR).growth(WARM_UP)
    assert growth[f"worker, {WITHIN}: {MEMORY}"].verdict == GROWS
    assert growth[f"worker, {STEP}: {MEMORY}"].verdict == FLAT
    assert growth[f"worker: {MEMORY}"].verdict != GROWS
    (problem,) = problems(growth, tmp_path)
    assert problem.startswith(f"worker, {WITHIN}: {MEMORY} grows by ")


def test_a_leak_of_one_slot_of_many_is_found() -> None:
    def only_the_first(born: float, age: float) -> float:
        return settled(born, age) + (12 * age / HOUR if born == 0 else 0)

    growth = an_hour(memory=only_the_first, starts=8 * (0.0,)).growth(WARM_UP)
    assert growth[f"worker, {WITHIN}: {MEMORY}"].verdict == GROWS


@pytest.mark.parametrize("life", [20 * 60.0, 15 * 60.0])
def test_a_step_at_each_replacement_is_found(life: float, tmp_path: Path) -> None:
    growth = an_hour(
        memory=lambda born, age: settled(born, age) + 8 * round(born / life),
        descriptors=lambda born, age: 23.0 + 4 * round(born / life),
        life=life,
    ).growth(WARM_UP, life / 2)
    for key in (MEMORY, DESCRIPTORS):
        assert growth[f"worker, {WITHIN}: {key}"].verdict != GROWS
        assert growth[f"worker, {STEP}: {key}"].verdict == FLAT
        assert growth[f"worker, {BETWEEN}: {key}"].verdict == GROWS
    assert len(problems(growth, tmp_path)) >= 2


def test_a_step_at_the_first_replacement_only_is_accepted(tmp_path: Path) -> None:
    growth = an_hour(
        memory=lambda born, age: settled(born, age) + (12 if born else 0),
        descriptors=lambda born, age: 23.0 + (18 if born else 0),
        life=15 * 60.0,
    ).growth(WARM_UP, WARM_UP / 2)
    for key in (MEMORY, DESCRIPTORS):
        assert growth[f"worker, {STEP}: {key}"].verdict == FLAT
        assert growth[f"worker, {BETWEEN}: {key}"].verdict == FLAT
        assert growth[f"worker: {key}"].verdict in {FLAT, REPLACED}
    assert growth[f"worker, {STEP}: {MEMORY}"].trend.per_hour == pytest.approx(12, abs=0.5)
    assert not problems(growth, tmp_path)


def test_a_first_step_that_is_larger_than_what_processes_inherit_is_found(tmp_path: Path) -> None:
    growth = an_hour(
        memory=lambda born, age: settled(born, age) + (30 if born else 0), life=15 * 60.0
    ).growth(WARM_UP, WARM_UP / 2)
    (problem,) = problems(growth, tmp_path)
    assert re.fullmatch(
        rf"worker, {STEP}: {MEMORY} grows by (29|30)\.\d\d once; 16.00 is accepted", problem
    )


def test_after_one_replacement_it_is_not_known_whether_the_next_one_is_a_step_too() -> None:
    growth = an_hour(descriptors=lambda born, age: 23.0 + (16 if born else 0)).growth(WARM_UP)
    assert growth[f"worker, {STEP}: {DESCRIPTORS}"].verdict == FLAT
    assert f"worker, {BETWEEN}: {DESCRIPTORS}" not in growth
    assert growth[f"worker: {DESCRIPTORS}"].verdict == UNCLEAR


def test_a_figure_of_all_processes_is_judged_after_the_first_replacement() -> None:
    samples = an_hour(life=15 * 60.0)
    samples.figures["worker: connections to PostgreSQL"] = [
        5.0 if at < 1000 else 9.0 for at in samples.seconds
    ]
    growth = samples.growth(600.0, 300.0)
    assert growth["worker: connections to PostgreSQL"].verdict == FLAT


def test_a_leak_within_lives_that_are_replaced_often_is_found(tmp_path: Path) -> None:
    growth = an_hour(
        memory=lambda born, age: 150 + 40 * age / HOUR,
        descriptors=lambda born, age: 23.0 + age // 90,
        life=15 * 60.0,
    ).growth(WARM_UP, 180.0)
    for key in (MEMORY, DESCRIPTORS):
        assert growth[f"worker, {WITHIN}: {key}"].verdict == GROWS
        assert growth[f"worker, {BETWEEN}: {key}"].verdict == FLAT
    assert problems(growth, tmp_path)


def test_a_descriptor_that_each_process_opens_late_is_unclear(tmp_path: Path) -> None:
    growth = an_hour(
        memory=lambda born, age: 150.0,
        descriptors=lambda born, age: 23.0 if age < 360 else 24.0,
        life=9 * 60.0,
    ).growth(WARM_UP, 180.0)
    assert growth[f"worker, {WITHIN}: {DESCRIPTORS}"].verdict == UNCLEAR
    assert not problems(growth, tmp_path)


def test_slow_growth_of_processes_that_are_never_replaced_is_found() -> None:
    growth = an_hour(
        memory=lambda born, age: settled(born, age) + 12 * age / HOUR, life=2 * HOUR
    ).growth(WARM_UP)
    assert growth[f"worker: {MEMORY}"].verdict == GROWS
    assert f"worker, {WITHIN}: {MEMORY}" not in growth


def test_processes_that_become_more_are_found_though_each_is_flat() -> None:
    growth = an_hour(starts=(0.0, 0.0, 900.0, 1800.0, 2700.0)).growth(WARM_UP)
    assert growth[f"worker: {PROCESSES}"].verdict == GROWS
    assert growth[f"worker: {MEMORY}"].verdict == GROWS


def test_lives_that_are_too_short_to_settle_excuse_nothing(tmp_path: Path) -> None:
    growth = an_hour(
        memory=lambda born, age: settled(born, age) + 15 * (born + age) / HOUR, life=300.0
    ).growth(WARM_UP)
    assert f"worker, {WITHIN}: {MEMORY}" not in growth
    assert growth[f"worker: {MEMORY}"].verdict == GROWS
    assert problems(growth, tmp_path)


def test_lives_that_were_hardly_measured_are_not_compared() -> None:
    lives = [Life(pid, 0.0, begun=1800.0 * pid) for pid in range(2)]
    for life in lives:
        life.add(life.begun + 5, {MEMORY: 100.0})
    assert growth_between(lives, MEMORY, ALLOWANCES[MEMORY]) is None
