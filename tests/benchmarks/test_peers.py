"""Peers are compared by the medians of one run."""

from __future__ import annotations

import pytest

from benchmarks.goals import judge
from benchmarks.peers.__main__ import ratios


def test_our_median_is_set_against_each_peers() -> None:
    def rate(stack: str, deployment: str, per_second: float) -> dict[str, object]:
        return {"stack": stack, "deployment": deployment, "photos_per_second": per_second}

    rates = [rate("damage-tasks", "equal", n) for n in (10.0, 12.0, 20.0)]
    rates += [rate("LitServe", "equal", n) for n in (11.0, 8.0, 6.0)]
    rates += [rate("LitServe", "default", 3.0)]
    found = ratios(rates)
    assert found == {"equal": {"LitServe": pytest.approx(1.5)}, "default": {"LitServe": 4.0}}
    met = {goal.figure: goal.met for goal in judge({"peers": {"ratios": found}})}
    assert met == {
        "times LitServe, the same engine": True,
        "times LitServe, their default deployment": False,
    }
