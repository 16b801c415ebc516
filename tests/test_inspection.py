"""Severity follows a simple rule."""

from __future__ import annotations

import pytest

from damage_tasks.damage import Severity, severity_of


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
