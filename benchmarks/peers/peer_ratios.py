"""The figures of a comparison: our rate relative to each peer's, and photos lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

OURS = "damage-tasks"
Rates = Sequence[Mapping[str, Any]]


def ratios(rates: Rates) -> dict[str, dict[str, dict[str, float]]]:
    """Our median rate relative to each peer's, by deployment, delay in ms, and peer."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for rate in rates:
        if rate["stack"] == OURS:
            continue
        deployment, delay = rate["deployment"], str(rate["delay_ms"])
        by_peer = found.setdefault(deployment, {}).setdefault(delay, {})
        if rate["stack"] not in by_peer:
            ours = _median(rates, OURS, "best", rate["delay_ms"])
            by_peer[rate["stack"]] = ours / _median(
                rates, rate["stack"], deployment, rate["delay_ms"]
            )
    return found


def _median(rates: Rates, stack: str, deployment: str, delay: int) -> float:
    return median(
        rate["photos_per_second"]
        for rate in rates
        if (rate["stack"], rate["deployment"], rate["delay_ms"]) == (stack, deployment, delay)
    )
