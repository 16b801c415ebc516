"""A run is compared with an earlier one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.comparison import changes, read_earlier
from benchmarks.goals import Goal


def figure(name: str, value: float, *, more_is_better: bool) -> Goal:
    return Goal(name, "", "", str(value), True, value, more_is_better)


GOALS = [
    figure("rate", 90.0, more_is_better=True),
    figure("cost", 0.5, more_is_better=False),
    figure("memory", 150.0, more_is_better=False),
    figure("new", 1.0, more_is_better=True),
]


def test_what_got_slower_comes_first() -> None:
    found = changes({"rate": 100.0, "cost": 1.0, "memory": 100.0, "gone": 5.0}, GOALS)
    assert [(change.figure, round(change.gain, 2)) for change in found] == [
        ("memory", -0.33),
        ("rate", -0.1),
        ("cost", 1.0),
    ]
    assert [change.is_slower for change in found] == [True, False, False]  # a tenth is noise


def test_the_figures_of_an_earlier_run_are_read(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    path.write_text(json.dumps({"goals": [{"figure": "rate", "value": 2.5}]}))
    assert read_earlier(path) == {"rate": 2.5}


@pytest.mark.parametrize("text", ["", "[]", '{"goals": [{"figure": "rate"}]}'])
def test_another_file_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="other.json is not a result of this benchmark"):
        read_earlier(path)
