"""The goals of a run, and whether it reached them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SLOW_FORWARD_MS = 100  # forward pass (ms) above which nearly all CPU time must be its own

Results = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure, its goal and its value, all as text for display."""

    figure: str
    goal: str
    reached: str
    met: bool


def judge(results: Results) -> list[Goal]:
    """The goals of all sections in ``results``."""
    found: list[Goal] = []
    for rule in (_speed, _efficiency, _naive, _peers, _pairs, _starts, _search, _events):
        try:
            found += rule(results)
        except KeyError:
            continue  # that section was not run
    return found


def _speed(results: Results) -> list[Goal]:
    found = []
    for size, wanted in (("2mp", 18.6), ("12mp", 12.0)):
        rate = results["end_to_end"][f"{size} realistic"]
        found.append(
            _at_least(
                f"{size}, realistic mix, photos per second", wanted, rate["photos_per_second"]
            )
        )
        if size == "2mp":
            found.append(
                _at_most(
                    "2mp, realistic mix, worker CPU ms per photo", 70, rate["cpu_ms"]["worker"]
                )
            )
    return found


def _efficiency(results: Results) -> list[Goal]:
    found = []
    for name, case in results["efficiency"].items():
        if case["forward_ms"] >= SLOW_FORWARD_MS:
            figure = f"forward + JPEG over worker CPU, damaged 2mp: {name}"
            found.append(_at_least(figure, 0.95, case["share"]))
        else:
            figure = f"worker CPU ms besides the forward pass, damaged 2mp: {name}"
            found.append(_at_most(figure, 30, case["worker_ms"] - case["forward_ms"]))
    return found


def _naive(results: Results) -> list[Goal]:
    ours = results["end_to_end"]
    found = []
    for mix in ("realistic", "damaged"):
        for name, rates in results["naive"].items():
            times = ours[f"2mp {mix}"]["photos_per_second"] / rates[mix]["photos_per_second"]
            found.append(_at_least(f"times the naive {name}, {mix}", 15, times))
    return found


def _peers(results: Results) -> list[Goal]:
    found = []
    for kind, wanted in (("equal", 1.0), ("default", 5.0)):
        for peer, ratio in results["peers"]["ratios"][kind].items():
            figure = {"equal": "the same engine", "default": "their default deployment"}[kind]
            found.append(_at_least(f"times {peer}, {figure}", wanted, ratio))
    return found


def _pairs(results: Results) -> list[Goal]:
    wanted = (
        ("latency 80 ms", "photos that take 80 ms relative to 0 ms", 0.95),
        ("latency 150 ms", "photos that take 150 ms relative to 0 ms", 0.9),
        ("backlog", "a backlog of 10,000 relative to 100", 0.95),
        ("rows", "1,000,000 rows relative to 10", 0.95),
    )
    return [
        _at_least(figure, goal, results[name]["ratio"])
        for name, figure, goal in wanted
        if name in results
    ]


def _starts(results: Results) -> list[Goal]:
    starts = results["starts"]
    found = {**starts, **starts.get("megabytes", {})}
    wanted = (
        ("further_process", "each additional process, MB", 150),
        ("first_verdict_seconds", "process start to first verdict, s", 5),
        ("import_seconds", "import for callers, s", 0.25),
    )
    return [_at_most(figure, goal, found[name]) for name, figure, goal in wanted if name in found]


def _search(results: Results) -> list[Goal]:
    return [_at_most("one car among 10,000,000 rows, ms", 20, results["search"]["car_id"])]


def _events(results: Results) -> list[Goal]:
    figure = "a receiver of events that hangs relative to one that answers, lower limit"
    return [_at_least(figure, 0.95, results["events"]["low"])]


def _at_least(figure: str, goal: float, value: float) -> Goal:
    return Goal(figure, f">= {goal:g}", _shown(value), value >= goal)


def _at_most(figure: str, goal: float, value: float) -> Goal:
    return Goal(figure, f"<= {goal:g}", _shown(value), value <= goal)


def _shown(value: float, digits: Callable[[float], str] = "{:.3g}".format) -> str:
    return digits(value) if abs(value) < 1000 else f"{value:,.0f}"
