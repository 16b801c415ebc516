"""Which verdict counts after people have decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from damage_tasks.decision import (
    Action,
    Decision,
    counting,
    final_types,
    final_verdict,
    first_and_last_verdicts,
    review_fields,
)
from tools.sample_pictures_and_results import NOW


def by(person: str, action: str, minute: int = 0, **payload: Any) -> Decision:
    return Decision("task-1", person, Action(action), NOW + timedelta(minutes=minute), payload)


@pytest.mark.parametrize(
    ("verdict", "damages", "decisions", "final"),
    [
        ("damaged", 2, [], "damaged"),
        ("damaged", 2, [by("ann", "confirm")], "damaged"),
        ("damaged", 2, [by("ann", "no_damage")], "clean"),
        ("damaged", 2, [by("ann", "no_damage", damage=1)], "damaged"),
        ("damaged", 2, [by("ann", "no_damage", n, damage=n) for n in (1, 2)], "clean"),
        ("damaged", 1, [by("ann", "no_damage"), by("ann", "confirm", 1)], "damaged"),
        ("damaged", 2, [by("ann", "no_damage"), by("ann", "confirm", 1, damage=1)], "damaged"),
        ("damaged", 2, [by("ann", "no_damage"), by("ann", "no_damage", 1, damage=1)], "clean"),
        (
            "damaged",
            2,
            [
                by("ann", "no_damage"),
                by("ann", "confirm", 1, damage=1),
                by("ann", "no_damage", 2, damage=1),
            ],
            "clean",
        ),
        ("rejected", 0, [by("ann", "no_damage")], "clean"),
        ("rejected", 0, [by("ann", "no_damage"), by("ann", "confirm", 1)], "rejected"),
        ("damaged", 1, [by("ann", "wrong_type", damage=1, type="scratch")], "damaged"),
        ("clean", 0, [by("ann", "missed", point=[1, 2])], "damaged"),
        ("clean", 0, [by("ann", "confirm")], "clean"),
        ("rejected", 0, [by("ann", "confirm")], "rejected"),
        ("damaged", 1, [by("ann", "retake")], None),
        ("damaged", 1, [by("ann", "retake"), by("ann", "confirm", 1)], "damaged"),
        ("damaged", 1, [by("ann", "no_damage"), by("bob", "confirm", 1)], "damaged"),
        ("damaged", 1, [by("bob", "confirm", 1), by("ann", "no_damage", 2)], "clean"),
    ],
)
def test_the_person_who_decided_last_counts(
    verdict: str, damages: int, decisions: list[Decision], final: str | None
) -> None:
    assert final_verdict(verdict, damages, counting(decisions)) == final


ONE, TWO = {"damage": 1}, {"damage": 2}


@pytest.mark.parametrize(
    ("made", "billable"),
    [
        ([], False),
        ([("confirm", {})], True),
        ([("confirm", ONE)], True),
        ([("wrong_type", {**ONE, "type": "scratch"})], True),
        ([("severity", {**ONE, "severity": "minor"})], True),
        ([("reshape", {**ONE, "polygon": [[1, 1], [9, 1], [9, 9]]})], True),
        ([("missed", {"point": [1, 2]})], True),
        ([("no_damage", ONE)], False),
        ([("no_damage", ONE), ("confirm", {})], True),
        ([("confirm", {}), ("no_damage", ONE)], True),
        ([("confirm", ONE), ("no_damage", ONE)], False),
        ([("severity", {**TWO, "severity": "minor"}), ("no_damage", ONE)], True),
        ([("confirm", {}), ("no_damage", ONE), ("no_damage", TWO)], False),
        ([("no_damage", {}), ("no_damage", ONE)], False),
        ([("confirm", {}), ("no_damage", {}), ("no_damage", ONE)], False),
        ([("missed", {"point": [1, 2]}), ("no_damage", {}), ("no_damage", ONE)], False),
        ([("missed", {"point": [1, 2]}), ("no_damage", ONE), ("no_damage", TWO)], True),
        ([("confirm", {}), ("retake", {})], False),
        ([("retake", {}), ("no_damage", ONE)], False),
        ([("retake", {}), ("confirm", TWO)], True),
    ],
)
def test_only_damage_that_a_person_affirmed_is_billable(
    made: list[tuple[str, dict[str, Any]]], billable: bool
) -> None:
    decisions = [by("ann", action, n, **payload) for n, (action, payload) in enumerate(made)]
    assert review_fields(decisions, "damaged", 2)["billable"] is billable


def test_damage_that_somebody_else_affirmed_earlier_is_not_billable() -> None:
    decisions = [by("bob", "confirm"), by("ann", "no_damage", 1, damage=1)]
    assert review_fields(decisions, "damaged", 2)["billable"] is False


@pytest.mark.parametrize("verdict", ["clean", "rejected"])
def test_a_confirmed_photo_without_damage_is_not_billable(verdict: str) -> None:
    assert review_fields([by("ann", "confirm")], verdict, 0)["billable"] is False


def test_notes_and_undone_decisions_do_not_count() -> None:
    undone = Decision("task-1", "ann", Action.NO_DAMAGE, NOW, undone_at=NOW)
    assert counting([undone, by("ann", "note", 1, text="wet")]) == []


@pytest.mark.parametrize(
    ("decisions", "verdicts"),
    [
        ([], None),
        ([by("ann", "confirm"), by("ann", "no_damage", 1)], None),
        ([by("ann", "confirm"), by("bob", "no_damage", 1)], ("damaged", "clean")),
        ([by("ann", "no_damage"), by("bob", "confirm", 1), by("cat", "confirm", 2)],
         ("clean", "damaged")),
        ([by("ann", "no_damage"), by("bob", "confirm", 1), by("ann", "confirm", 2)],
         ("damaged", "damaged")),
        ([by("ann", "retake"), by("bob", "confirm", 1)], None),
        ([by("ann", "confirm"), by("bob", "no_damage", 1), by("cat", "retake", 2)],
         ("damaged", "clean")),
        ([by("ann", "confirm"), by("bob", "note", 1, text="wet")], None),
    ],
)  # fmt: skip
def test_the_first_of_the_others_is_compared_with_the_last_person(
    decisions: list[Decision], verdicts: tuple[str, str] | None
) -> None:
    assert first_and_last_verdicts("damaged", 1, decisions) == verdicts


def test_an_undone_decision_is_not_compared() -> None:
    undone = Decision("task-1", "ann", Action.NO_DAMAGE, NOW, undone_at=NOW)
    assert first_and_last_verdicts("damaged", 1, [undone, by("bob", "confirm", 1)]) is None


@pytest.mark.parametrize(
    ("made", "types"),
    [
        ([], {"dent", "scratch"}),
        ([("confirm", {})], {"dent", "scratch"}),
        ([("no_damage", {"damage": 1})], {"scratch"}),
        ([("no_damage", {"damage": 1}), ("confirm", {"damage": 1})], {"dent", "scratch"}),
        ([("wrong_type", {"damage": 1, "type": "spacing"}), ("confirm", {})],
         {"spacing", "scratch"}),
        ([("missed", {"type": "breakage"}), ("no_damage", {})], set()),
        ([("no_damage", {}), ("missed", {"type": "breakage"})], {"breakage"}),
        ([("missed", {})], {"dent", "scratch"}),
        ([("no_damage", {}), ("retake", {})], set()),
        ([("no_damage", {}), ("confirm", {"damage": 2})], {"scratch"}),
        ([("no_damage", {}), ("wrong_type", {"damage": 1, "type": "spacing"})], {"spacing"}),
        ([("no_damage", {}), ("no_damage", {"damage": 1})], set()),
    ],
)  # fmt: skip
def test_types_after_decisions(made: list[tuple[str, dict[str, Any]]], types: set[str]) -> None:
    decisions = [
        Decision("task-1", "ann", Action(action), NOW, payload) for action, payload in made
    ]
    assert final_types(["dent", "scratch"], decisions) == types
