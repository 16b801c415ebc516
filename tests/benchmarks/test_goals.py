"""A run is compared with its goals, and its page shows the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.goals import judge
from benchmarks.hanging_receiver import summary
from benchmarks.report import write


def rate(per_second: float, worker_ms: float = 60.0) -> dict[str, Any]:
    cpu = {"worker": worker_ms, "emulator": 5.0, "postgres": 4.0, "photo_server": 1.0}
    return {"photos_per_second": per_second, "cpu_ms": cpu}


@pytest.fixture
def results() -> dict[str, Any]:
    sizes = ("2mp realistic", "2mp damaged", "12mp realistic", "12mp damaged")
    return {
        "machine": {
            "when": "now", "commit": "abc", "cores": 2, "cpu": "a cpu", "load_before": 0,
            "instructions": ["avx2", "avx512_vnni"], "int8_instructions": True,
        },
        "fp32_forward_ms": 80.0,
        "bundle": "default 1",
        "engine": "torch",
        "end_to_end": {size: rate(20.0) for size in sizes},
        "naive": {"loop": {"realistic": rate(1.0), "damaged": rate(2.0)}},
        "efficiency": {
            "torch": {"worker_ms": 210.0, "forward_ms": 200.0, "jpeg_ms": 4.0, "share": 204 / 210,
                      "photos_per_second": 9.0},
            "int8": {"worker_ms": 80.0, "forward_ms": 30.0, "jpeg_ms": 4.0, "share": 34 / 80,
                     "photos_per_second": 20.0},
        },
        "latency 150 ms": {"ratio": 0.98, "cpu_ratio": 0.99, "0 ms": [rate(20.0)]},
    }  # fmt: skip


def test_each_goal_is_met_or_missed_by_its_figure(results: dict[str, Any]) -> None:
    met = {goal.figure: goal.met for goal in judge(results)}
    assert met["2mp, realistic mix, worker CPU / bare fp32 forward pass"]
    assert met["12mp, realistic mix, worker CPU / bare fp32 forward pass"]
    assert met["times the naive loop, realistic"]
    assert not met["times the naive loop, damaged"]
    assert met["photos that take 150 ms relative to 0 ms"]


def test_a_cpu_without_int8_instructions_has_goals_of_its_own(results: dict[str, Any]) -> None:
    figure = "2mp, realistic mix, worker CPU / bare fp32 forward pass"
    results["fp32_forward_ms"] = 60.0  # worker CPU: 60 ms
    fast = next(goal for goal in judge(results) if goal.figure == figure)
    assert (fast.goal, fast.other_goal, fast.met) == ("<= 0.8", "<= 1.1", False)
    results["machine"]["int8_instructions"] = False
    slow = next(goal for goal in judge(results) if goal.figure == figure)
    assert (slow.goal, slow.other_goal, slow.met) == ("<= 1.1", "<= 0.8", True)


def test_a_slow_engine_is_judged_by_its_share_and_a_fast_one_by_the_rest(
    results: dict[str, Any],
) -> None:
    goals = {goal.figure: goal for goal in judge(results)}
    slow = goals["forward + JPEG over worker CPU, damaged 2mp: torch"]
    fast = goals["worker CPU besides the forward pass / bare fp32, damaged 2mp: int8"]
    assert (slow.reached, slow.met) == ("0.971", True)
    assert (fast.reached, fast.met) == ("0.625", False)


def test_sections_that_were_not_run_are_not_judged(results: dict[str, Any]) -> None:
    only = {key: results[key] for key in ("machine", "latency 150 ms")}
    assert [goal.figure for goal in judge(only)] == ["photos that take 150 ms relative to 0 ms"]


def test_a_section_that_failed_half_way_is_judged_by_what_it_found() -> None:
    half = {"starts": {"import_seconds": 0.3, "first_verdict_seconds": 4.0}}
    assert [goal.met for goal in judge(half)] == [True, False]


def test_a_hanging_receiver_is_judged_by_the_lower_limit_of_the_interval(
    results: dict[str, Any], tmp_path: Path
) -> None:
    ratios = [0.99, 1.01, 0.97, 1.0, 1.02, 0.94]
    found = {**summary(ratios), "answering": [20.0] * 6, "hanging": [19.9] * 6}
    assert (found["low"], found["ratio"], found["high"]) == (0.94, 0.995, 1.02)
    only = {key: results[key] for key in ("machine", "bundle", "engine")}
    (goal,) = judge({**only, "events": found})
    assert (goal.reached, goal.met) == ("0.94", False)
    page = write({**only, "events": found}, tmp_path).read_text()
    assert "| median ratio | 0.995 (0.940 to 1.020) |" in page


def test_the_page_and_the_figures_are_written_even_of_a_part_of_a_run(
    results: dict[str, Any], tmp_path: Path
) -> None:
    page = write(results, tmp_path).read_text()
    figure = (
        "| 2mp, realistic mix, worker CPU / bare fp32 forward pass | <= 0.8 | <= 1.1 | 0.75 | met |"
    )
    assert figure in page
    assert "cpu (avx2, avx512_vnni)" in page
    assert "![rates](rates.png)" in page
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")
    document = json.loads((tmp_path / "latest.json").read_text())
    assert {goal["met"] for goal in document["goals"]} == {True, False}
