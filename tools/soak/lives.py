"""Judges processes that are replaced: each one's life, and the level of successive lives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tools.soak.steadiness import (
    BLOCKS,
    FLAT,
    GROWS,
    SECONDS_PER_HOUR,
    UNCLEAR,
    Allowance,
    Growth,
    Trend,
    line_through,
    trend,
)

# As a share of the warm-up: a shorter period says nothing about growth per hour.
MIN_PERIOD_SHARE = 1 / 5
# As a share of the longest life: a shorter one has not settled.
COMPARED_LIFE_SHARE = 1 / 2
# Lives that begin closer together than this share of the longest life are one generation.
GENERATION_SHARE = 1 / 10


@dataclass
class Life:
    """One process, with figures measured at ``seconds`` of the run.

    It was ``created`` at a time stamp, which is second ``begun`` of the run.
    """

    pid: int
    created: float
    begun: float
    seconds: list[float] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, at: float, measured: dict[str, float]) -> None:
        """Add one value of each figure."""
        self.seconds.append(at)
        for key, value in measured.items():
            self.figures.setdefault(key, []).append(value)

    @property
    def age(self) -> float:
        """Its age in seconds when it was last measured."""
        return self.seconds[-1] - self.begun

    def between(self, key: str, youngest: float, oldest: float) -> tuple[NDArray[np.float64], ...]:
        """Seconds and values of ``key`` at these ages."""
        at = np.asarray(self.seconds, float)
        chosen = (at - self.begun >= youngest) & (at - self.begun <= oldest)
        return at[chosen], np.asarray(self.figures[key], float)[chosen]


def growth_within(
    lives: Sequence[Life], key: str, allowance: Allowance, warm_up_seconds: float
) -> Growth | None:
    """The growth of the steepest life after its own warm-up, or None if all were too short.

    What all lives have in common is judged as well, because it is more certain.
    """
    found = [
        (line, float(at[-1] - at[0]) / SECONDS_PER_HOUR)
        for line, at in _lines(lives, key, warm_up_seconds)
    ]
    if not found:
        return None
    mean = _mean([line for line, _ in found])
    hours = sum(hours for _, hours in found)
    judged = [(line, _verdict(line, hours, allowance)) for line, hours in found]
    judged.append((mean, _verdict(mean, hours, allowance)))
    for verdict in (GROWS, UNCLEAR, FLAT):
        lines = [line for line, each in judged if each == verdict]
        if lines:
            steepest = max(lines, key=lambda line: line.per_hour)
            return Growth(steepest, allowance.at(steepest.level), verdict)
    raise AssertionError("every line has a verdict")


def growth_between(lives: Sequence[Life], key: str, allowance: Allowance) -> Growth | None:
    """How the level of later lives differs from that of earlier ones at the same ages, per hour.

    None if there is one generation only. With two lives, nothing tells chance from growth, so any
    difference that is not accepted is growth.
    """
    if len(lives) < 2:
        return None
    longest = max(life.age for life in lives)
    compared = [
        life
        for life in lives
        if life.age >= COMPARED_LIFE_SHARE * longest and len(life.seconds) >= BLOCKS
    ]
    if len(compared) < 2:
        return None
    births = [life.begun / SECONDS_PER_HOUR for life in compared]
    generation = GENERATION_SHARE * longest / SECONDS_PER_HOUR
    if max(births) - min(births) < generation:
        return None
    oldest = min(life.age for life in compared)
    levels = [float(np.median(life.between(key, oldest / 2, oldest)[1])) for life in compared]
    line = line_through(births, levels, float(np.median(levels)))
    verdict = _verdict(line, max(births) - min(births), allowance)
    return Growth(line, allowance.at(line.level), verdict)


def was_replaced(lives: Sequence[Life], seconds: Sequence[float]) -> bool:
    """Whether one of ``lives`` began or ended between the first and the last of ``seconds``."""
    return any(life.seconds[0] > seconds[0] or life.seconds[-1] < seconds[-1] for life in lives)


def _lines(
    lives: Sequence[Life], key: str, warm_up_seconds: float
) -> Iterator[tuple[Trend, NDArray[np.float64]]]:
    for life in lives:
        at, values = life.between(key, warm_up_seconds, life.age)
        if len(at) >= BLOCKS and at[-1] - at[0] >= MIN_PERIOD_SHARE * warm_up_seconds:
            yield trend([float(each) for each in at], values), at


def _mean(lines: Sequence[Trend]) -> Trend:
    slope = float(np.mean([line.per_hour for line in lines]))
    margin = float(np.sqrt(sum((line.high - line.per_hour) ** 2 for line in lines)) / len(lines))
    level = float(np.mean([line.level for line in lines]))
    return Trend(level, slope, slope - margin, slope + margin)


def _verdict(line: Trend, hours: float, allowance: Allowance) -> str:
    verdict = line.verdict(allowance)
    # In a few minutes, one more descriptor would be many per hour.
    if verdict == GROWS and line.per_hour * hours < allowance.number:
        return UNCLEAR
    return verdict
