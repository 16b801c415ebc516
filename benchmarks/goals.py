"""The goals of a run, and whether it reached them.

Where possible, figures are ratios within one run: to the CPU time of the bare forward pass in
fp32, which depends on the machine as everything else does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SLOW_FORWARD_MS = 100  # forward pass (ms) above which nearly all CPU time must be its own

Results = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure, its goals and its value, also as text for display.

    ``goal`` is that of the machine: CPUs with int8 instructions (VNNI, AMX) have stricter ones
    for some figures, and ``other_goal`` is that of CPUs without them, or with.
    """

    figure: str
    goal: str
    other_goal: str
    reached: str
    met: bool
    value: float
    more_is_better: bool


def judge(results: Results) -> list[Goal]:
    """The goals of all sections in ``results``."""
    found: list[Goal] = []
    for rule in (_cost, _efficiency, _naive, _peers, _pairs, _starts, _search, _events):
        try:
            found += rule(results)
        except KeyError:
            continue  # that section was not run
    return found


def _cost(results: Results) -> list[Goal]:
    bare = results["fp32_forward_ms"]
    fast = results["machine"]["int8_instructions"]
    found = []
    for size, with_int8, without in (("2mp", 0.8, 1.1), ("12mp", 1.6, 2.0)):
        spent = results["end_to_end"][f"{size} realistic"]["cpu_ms"]["worker"]
        wanted, other = (with_int8, without) if fast else (without, with_int8)
        figure = f"{size}, realistic mix, worker CPU / bare fp32 forward pass"
        found.append(_at_most(figure, wanted, spent / bare, other))
    return found


def _efficiency(results: Results) -> list[Goal]:
    bare = results["fp32_forward_ms"]
    found = []
    for name, case in results["efficiency"].items():
        if case["forward_ms"] >= SLOW_FORWARD_MS:
            figure = f"forward + JPEG over worker CPU, damaged 2mp: {name}"
            found.append(_at_least(figure, 0.95, case["share"]))
        else:
            figure = f"worker CPU besides the forward pass / bare fp32, damaged 2mp: {name}"
            found.append(_at_most(figure, 0.45, (case["worker_ms"] - case["forward_ms"]) / bare))
    return found


def _naive(results: Results) -> list[Goal]:
    ours = results["end_to_end"]
    found = []
    for mix in ("realistic", "damaged"):
        for name, rates in results["naive"].items():
            times = ours[f"2mp {mix}"]["photos_per_second"] / rates[mix]["photos_per_second"]
            found.append(_at_least(f"times the naive {name}, {mix}", 20, times))
    return found


def _peers(results: Results) -> list[Goal]:
    peers = results["peers"]
    words = {"best": "same engine", "batches": "same engine, batches", "default": "its default"}
    found = []
    for kind, by_delay in peers["ratios"].items():
        for delay, by_peer in by_delay.items():
            for peer, ratio in by_peer.items():
                figure = f"times {peer}, {words[kind]}, photos that take {delay} ms"
                found.append(_at_least(figure, 5.0 if kind == "default" else 1.0, ratio))
    for stack, photos in peers.get("lost", {}).items():
        if stack == "damage-tasks":
            found.append(_at_most("photos lost when a process is killed", 0, photos["lost"]))
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
        ("further_process", "each additional process, MB", 120),
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
    return Goal(figure, f">= {goal:g}", "", _shown(value), value >= goal, value, True)


def _at_most(figure: str, goal: float, value: float, other: float | None = None) -> Goal:
    other_goal = "" if other is None else f"<= {other:g}"
    return Goal(figure, f"<= {goal:g}", other_goal, _shown(value), value <= goal, value, False)


def _shown(value: float, digits: Callable[[float], str] = "{:.3g}".format) -> str:
    return digits(value) if abs(value) < 1000 else f"{value:,.0f}"
