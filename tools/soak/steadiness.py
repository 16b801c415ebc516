"""Decides whether a figure grows over time, from its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FLAT, GROWS, UNCLEAR = "flat", "grows", "unclear"
AN_HOUR, ONCE = "an hour", "once"
BLOCKS = 12
CONFIDENCE = 0.95
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """The growth per hour that is accepted: a number, or a share of the level if that is more.

    ``first_step`` is what the processes that replace the first ones may have more than those.
    """

    number: float
    share: float = 0.0
    first_step: float = 0.0

    def at(self, level: float) -> float:
        """The accepted growth per hour of a figure with this median."""
        return max(self.number, self.share * level)


@dataclass(frozen=True, slots=True)
class Trend:
    """The median of a figure, its growth per hour, and the 95 % interval of that growth."""

    level: float
    per_hour: float
    low: float
    high: float

    def verdict(self, allowance: Allowance) -> str:
        """``grows``, ``flat``, or ``unclear`` if the run was too short to tell.

        ``grows`` means more than ``allowance`` and certainly more than zero; ``flat`` means
        certainly not more than ``allowance``.
        """
        accepted = allowance.at(self.level)
        if self.low > 0 and self.per_hour > accepted:
            return GROWS
        return FLAT if self.high <= accepted else UNCLEAR


@dataclass(frozen=True, slots=True)
class Growth:
    """The trend of a figure, and its verdict; both numbers are per ``period``."""

    trend: Trend
    allowance: float
    verdict: str
    period: str = AN_HOUR


def trend(seconds: Sequence[float], values: Sequence[float] | NDArray[np.float64]) -> Trend:
    """The trend of ``values`` measured at ``seconds``, in ascending order.

    A line through the medians of `BLOCKS` periods, because neighbouring samples resemble each
    other, and a restart is visible for a moment.  Raises `ValueError` for fewer samples.
    """
    if len(values) < BLOCKS:
        raise ValueError(f"{len(values)} samples are too few; at least {BLOCKS} are needed")
    measured = np.asarray(values, float)
    hours = [
        float(period.mean()) / SECONDS_PER_HOUR
        for period in np.array_split(np.asarray(seconds, float), BLOCKS)
    ]
    medians = [float(np.median(period)) for period in np.array_split(measured, BLOCKS)]
    return line_through(hours, medians, float(np.median(measured)))


def line_through(hours: Sequence[float], values: Sequence[float], level: float) -> Trend:
    """The line through ``values`` at ``hours``; its interval has no width for two values."""
    if len(values) == 2:
        slope = (values[1] - values[0]) / (hours[1] - hours[0])
        return Trend(level, slope, slope, slope)
    x, y = np.asarray(hours, float), np.asarray(values, float)
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    rest = y - slope * x
    error = float(np.sqrt(rest @ rest / (len(x) - 2) / (x @ x)))
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(x) - 2)) * error
    return Trend(level, slope, slope - margin, slope + margin)
