"""Judges processes that are replaced: each one's life, and the level of successive lives.

Processes that replace the first ones of a worker are larger than those, and the ones that follow
are not larger still. The cause is probably that the first ones are forked before the worker
consumes messages, and later ones inherit what it has allocated and opened since then. This step
happens once, so it is judged by its size and not as growth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tools.soak.steadiness import (
    BLOCKS,
    FLAT,
    GROWS,
    ONCE,
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

    What all lives have in common is judged as well, because it is more certain. But a descriptor
    that every process opens late is not a leak, so many short lives do not count as a long one.
    Nor does a life grow that only rises, at an age, to what an earlier one had when it was younger.
    """
    judged, periods = [], []
    for life, line, at in _lines(lives, key, warm_up_seconds):
        hours = float(at[-1] - at[0]) / SECONDS_PER_HOUR
        verdict = _verdict(line, hours, allowance)
        if verdict == GROWS and _is_known(life, lives, key, allowance):
            judged.append((line, UNCLEAR))
            continue
        judged.append((line, verdict))
        periods.append((line, hours))
    if not judged:
        return None
    if periods:
        mean = _mean([line for line, _ in periods])
        hours = float(np.mean([hours for _, hours in periods]))
        judged.append((mean, _verdict(mean, hours, allowance)))
    for verdict in (GROWS, UNCLEAR, FLAT):
        lines = [line for line, each in judged if each == verdict]
        if lines:
            steepest = max(lines, key=lambda line: line.per_hour)
            return Growth(steepest, allowance.at(steepest.level), verdict)
    raise AssertionError("every line has a verdict")


def growth_between(lives: Sequence[Life], key: str, allowance: Allowance) -> Growth | None:
    """How the level of later lives differs from that of earlier ones at the same ages, per hour.

    Lives of the first generation are not compared; see `first_step`. None if there is only one
    generation after it. With two lives, nothing tells chance from growth, so any difference that
    is not accepted is growth.
    """
    _, later = _generations(lives)
    if not later or not _generations(later)[1]:
        return None
    births = [life.begun / SECONDS_PER_HOUR for life in later]
    levels = _levels(later, key)
    line = line_through(births, levels, float(np.median(levels)))
    verdict = _verdict(line, max(births) - min(births), allowance)
    return Growth(line, allowance.at(line.level), verdict)


def first_step(lives: Sequence[Life], key: str, allowance: Allowance) -> Growth | None:
    """How much higher the second generation is than the first at the same ages, once.

    None if there is one generation only.
    """
    first, later = _generations(lives)
    if not later:
        return None
    second, _ = _generations(later)
    levels = _levels([*first, *second], key)
    before = float(np.median(levels[: len(first)]))
    step = float(np.median(levels[len(first) :])) - before
    verdict = FLAT if step <= allowance.first_step else GROWS
    return Growth(Trend(before, step, step, step), allowance.first_step, verdict, period=ONCE)


def replaced_at(lives: Sequence[Life]) -> float | None:
    """The second of the run when the last one of the second generation began, or None."""
    _, later = _generations(lives)
    return max(life.begun for life in _generations(later)[0]) if later else None


def was_replaced(lives: Sequence[Life], seconds: Sequence[float]) -> bool:
    """Whether one of ``lives`` began or ended between the first and the last of ``seconds``."""
    return any(life.seconds[0] > seconds[0] or life.seconds[-1] < seconds[-1] for life in lives)


def _generations(lives: Sequence[Life]) -> tuple[list[Life], list[Life]]:
    """The first generation, and all later ones, of the lives that are long enough to compare."""
    longest = max(life.age for life in lives)
    compared = [
        life
        for life in lives
        if life.age >= COMPARED_LIFE_SHARE * longest and len(life.seconds) >= BLOCKS
    ]
    end = min((life.begun for life in compared), default=0.0) + GENERATION_SHARE * longest
    first = [life for life in compared if life.begun < end]
    return first, [life for life in compared if life.begun >= end]


def _levels(lives: Sequence[Life], key: str) -> list[float]:
    """The medians of ``key`` in these lives, at ages that all of them have reached."""
    oldest = min(life.age for life in lives)
    return [float(np.median(life.between(key, oldest / 2, oldest)[1])) for life in lives]


def _is_known(life: Life, lives: Sequence[Life], key: str, allowance: Allowance) -> bool:
    """Whether an earlier life was as large in its first half as ``life`` is at its end."""
    *_, last = np.array_split(np.asarray(life.figures[key], float), BLOCKS)
    end = float(np.median(last))
    earlier = [each for each in lives if each.begun < life.begun and len(each.seconds) >= BLOCKS]
    halves = [each.between(key, 0.0, min(each.age, life.age) / 2)[1] for each in earlier]
    return any(np.quantile(half, 0.9) >= end - allowance.number for half in halves if len(half))


def _lines(
    lives: Sequence[Life], key: str, warm_up_seconds: float
) -> Iterator[tuple[Life, Trend, NDArray[np.float64]]]:
    for life in lives:
        at, values = life.between(key, warm_up_seconds, life.age)
        if len(at) >= BLOCKS and at[-1] - at[0] >= MIN_PERIOD_SHARE * warm_up_seconds:
            yield life, trend([float(each) for each in at], values), at


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
