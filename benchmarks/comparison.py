"""Compares the figures of a run with those of an earlier one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.goals import Goal

NOISE = 0.1  # figures of two runs on one machine differ by this share


@dataclass(frozen=True, slots=True)
class Change:
    """A figure of two runs; ``gain`` is how much better the new one is (0.1: by a tenth)."""

    figure: str
    before: float
    now: float
    gain: float

    @property
    def is_slower(self) -> bool:
        """Whether the figure is worse by more than noise."""
        return self.gain < -NOISE


def read_earlier(path: Path) -> dict[str, float]:
    """The figures of an earlier run's JSON; raises `ValueError` if it contains none."""
    try:
        goals: Iterable[Mapping[str, Any]] = json.loads(path.read_text())["goals"]
        return {goal["figure"]: float(goal["value"]) for goal in goals}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a result of this benchmark: {error!r}") from None


def changes(earlier: Mapping[str, float], goals: Iterable[Goal]) -> list[Change]:
    """The figures that both runs have, the greatest loss first."""
    found = []
    for goal in goals:
        before = earlier.get(goal.figure)
        if not before or not goal.value:
            continue
        ratio = goal.value / before if goal.more_is_better else before / goal.value
        found.append(Change(goal.figure, before, goal.value, ratio - 1))
    return sorted(found, key=lambda change: change.gain)
