"""Severity follows a simple rule, and the time of computing excludes waiting."""

from __future__ import annotations

import pytest

from damage_tasks.damage import Severity, severity_of
from damage_tasks.inspection import computing_seconds


@pytest.mark.parametrize(
    ("type", "area_ratio", "severity"),
    [
        ("scratch", 0.0049, Severity.MINOR),
        ("scratch", 0.005, Severity.MODERATE),
        ("dent", 0.05, Severity.SEVERE),
        ("breakage", 0.0001, Severity.MODERATE),
        ("breakage", 0.005, Severity.SEVERE),
    ],
)
def test_severity_follows_area_and_type(type: str, area_ratio: float, severity: Severity) -> None:
    assert severity_of(type, area_ratio) is severity


def test_waiting_for_the_network_is_not_computing() -> None:
    timings = {"download": 9000.0, "decode": 20.0, "segmentation": 300.0, "overlay": 180.0}
    assert computing_seconds({**timings, "upload": 70.0, "database": 5.0}) == 0.5
    assert computing_seconds({"decode": 20.0}) == 0.02
    assert computing_seconds({}) == 0.0
