"""The damaged areas of a photo after people's decisions."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from damage_tasks.decision import Action, Decision, counting, final_verdict
from damage_tasks.reviewed_areas import Area, MarkedArea, marked_areas, reviewed_areas
from tests.labelling.conftest import DENT, SCRATCH
from tools.sample_pictures_and_results import NOW

LINE = ((1, 1), (9, 1), (9, 3))
DECISIONS: list[tuple[str, dict[str, Any]]] = [
    ("confirm", {}),
    ("no_damage", {}),
    ("no_damage", {"damage": 1}),
    ("no_damage", {"damage": 2}),
    ("confirm", {"damage": 2}),
    ("wrong_type", {"damage": 1, "type": "scratch"}),
    ("missed", {"polygon": LINE}),
    ("retake", {}),
]


def decisions(*made: tuple[str, dict[str, Any]]) -> list[Decision]:
    return [Decision("task-1", "ann", Action(action), NOW, values) for action, values in made]


@pytest.mark.parametrize(
    ("made", "areas"),
    [
        ([], [Area("dent", DENT.polygon), Area("scratch", SCRATCH.polygon)]),
        ([("no_damage", {})], []),
        ([("no_damage", {"damage": 1})], [Area("scratch", SCRATCH.polygon)]),
        (
            [("wrong_type", {"damage": 2, "type": "breakage"}), ("no_damage", {"damage": 1})],
            [Area("breakage", SCRATCH.polygon)],
        ),
        (
            [("reshape", {"damage": 1, "polygon": LINE}), ("no_damage", {"damage": 2})],
            [Area("dent", LINE)],
        ),
        (
            [("no_damage", {"damage": 1}), ("severity", {"damage": 1, "severity": "minor"})],
            [Area("dent", DENT.polygon), Area("scratch", SCRATCH.polygon)],
        ),
        ([("no_damage", {}), ("missed", {"point": [5, 6]})], [Area(None, point=(5, 6))]),
        ([("missed", {"box": [1, 2, 3, 4], "type": "dent"}), ("no_damage", {})], []),
        ([("no_damage", {}), ("confirm", {"damage": 2})], [Area("scratch", SCRATCH.polygon)]),
        (
            [("no_damage", {}), ("wrong_type", {"damage": 1, "type": "breakage"})],
            [Area("breakage", DENT.polygon)],
        ),
        ([("no_damage", {}), ("no_damage", {"damage": 1})], []),
        (
            [("no_damage", {}), ("confirm", {"damage": 2}), ("confirm", {"damage": 1})],
            [Area("dent", DENT.polygon), Area("scratch", SCRATCH.polygon)],
        ),
        (
            [("no_damage", {}), ("confirm", {})],
            [Area("dent", DENT.polygon), Area("scratch", SCRATCH.polygon)],
        ),
        (
            [("no_damage", {"damage": 1}), ("no_damage", {}), ("confirm", {})],
            [Area("scratch", SCRATCH.polygon)],
        ),
    ],
)
def test_decisions_correct_the_areas(
    made: list[tuple[str, dict[str, Any]]], areas: list[Area]
) -> None:
    assert reviewed_areas([DENT, SCRATCH], decisions(*made)) == areas


def test_areas_that_a_person_marked_are_numbered_after_those_of_the_networks() -> None:
    made = decisions(
        ("missed", {"point": [5, 6]}),
        ("reshape", {"damage": 2, "polygon": LINE}),
        ("confirm", {"damage": 1}),
    )
    assert marked_areas([DENT, SCRATCH], made) == [
        MarkedArea(3, Area("scratch", LINE), corrects=2),
        MarkedArea(4, Area(None, point=(5, 6))),
    ]


@pytest.mark.parametrize(
    ("area", "bbox"),
    [
        (Area(None, LINE), (1, 1, 8, 2)),
        (Area(None, box=(1, 2, 3, 4)), (1, 2, 3, 4)),
        (Area(None, point=(5, 6)), (5, 6, 1, 1)),
    ],
)
def test_each_area_has_a_bounding_box(area: Area, bbox: tuple[int, int, int, int]) -> None:
    assert area.bbox == bbox


def test_there_are_areas_if_the_final_verdict_is_damaged() -> None:
    compared = 0
    for made in product(DECISIONS, repeat=3):
        counted = counting(decisions(*made))
        final = final_verdict("damaged", 2, counted)
        if final is not None:
            compared += 1
            found = reviewed_areas([DENT, SCRATCH], counted)
            assert bool(found) is (final == "damaged"), made
    assert compared == 8 * 8 * 7
