"""The account of the shadow detects everything of it that counts, is lost or is not its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from damage_tasks.shadow_queue import is_in_share
from tools.chaos.shadow import SHARE, VERSION, ShadowStock, reckon_shadow

OWN, OTHER = "1" * 64, "f" * 64
GOOD = ShadowStock(examined={OWN, "2" * 64, OTHER}, compared=[(OWN, VERSION)])


def test_photos_that_were_lost_on_their_way_to_the_shadow_are_accepted() -> None:
    assert is_in_share(OWN, SHARE)
    assert not is_in_share(OTHER, SHARE)
    account = reckon_shadow(GOOD)
    assert account.ok
    assert account.table["photos of the shadow"] == 2
    assert account.table["photos of the shadow, examined"] == 1
    assert account.table["verdicts of the shadow that count"] == 0


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"counting": 1}, "1 inspections and findings of the shadow count"),
        ({"dead_letters": 2}, "2 photos of the shadow are dead letters"),
        ({"left_on_queue": 3}, "3 photos are left on the shadow's queue"),
        ({"compared": [(OWN, "1.0.0")]}, "1.0.0 examined a photo in the shadow"),
        ({"compared": [(OWN, VERSION), (OTHER, VERSION)]}, "not its own"),
        ({"compared": [(OWN, VERSION), ("0" * 64, VERSION)]}, "not its own"),
        ({"compared": []}, "the shadow examined no photo"),
    ],
)
def test_every_problem_of_the_shadow_is_named(changes: dict[str, Any], problem: str) -> None:
    (found,) = reckon_shadow(replace(GOOD, **changes)).problems
    assert problem in found
