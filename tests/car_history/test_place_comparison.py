"""What an earlier photo says about a damaged area: only what it clearly shows."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from damage_tasks.car_history.place_comparison import Place, evidence_of
from damage_tasks.car_history.view_matching import describe, register
from damage_tasks.damage_history import Evidence
from tests.car_history.panels import (
    HEIGHT,
    OTHER_PLACE,
    SCRATCH,
    WIDTH,
    Matrix,
    Pixels,
    panel,
    photographed,
    scratched,
    view,
)

VIEW = view(turn=4, zoom=0.9, shift=(10, 5))


def cover(outline: Any, matrix: Matrix | None = None) -> NDArray[np.bool_]:
    """The pixels inside ``outline``, seen through ``matrix``."""
    inside = np.zeros((HEIGHT, WIDTH), np.uint8)
    if outline:
        cv2.fillPoly(inside, [np.array(outline, np.int32)], 1)
    if matrix is not None:
        inside = np.asarray(cv2.warpPerspective(inside, matrix, (WIDTH, HEIGHT)), np.uint8)
    return inside > 0


def evidence(earlier: Pixels, marked: Any = (), matrix: Matrix = VIEW, **light: Any) -> Evidence:
    """What a photo of ``earlier`` says about the scratch on the panel."""
    later, other = describe(scratched(panel())), describe(photographed(earlier, matrix, **light))
    registration = register(later, other)
    assert registration is not None
    place = Place(cover(SCRATCH), cover(()))
    return evidence_of(place, later.grey, other.grey, registration, cover(marked, matrix))


def test_damage_that_the_networks_marked_there_was_seen_before() -> None:
    assert evidence(scratched(panel()), SCRATCH) is Evidence.MARKED


def test_damage_that_the_networks_missed_was_seen_before_if_it_looks_the_same() -> None:
    assert evidence(scratched(panel())) is Evidence.SAME_LOOK


def test_a_clear_view_of_the_place_without_the_damage_shows_its_absence() -> None:
    assert evidence(panel()) is Evidence.ABSENT


def test_damage_elsewhere_does_not_count() -> None:
    assert evidence(scratched(panel(), OTHER_PLACE), OTHER_PLACE) is Evidence.ABSENT


def test_a_place_outside_the_photo_shows_nothing() -> None:
    assert evidence(panel(), matrix=view(shift=(-330, 0))) is Evidence.NOT_IN_PHOTO


@pytest.mark.parametrize(
    ("matrix", "light"),
    [(view(zoom=0.45), {}), (VIEW, {"blur": 4.0}), (VIEW, {"gain": 2.2})],
    ids=["from afar", "blurred", "overexposed"],
)
def test_a_poor_photo_never_shows_absence(matrix: Matrix, light: dict[str, float]) -> None:
    found = evidence(panel(), matrix=matrix, **light)
    assert found in (Evidence.TOO_COARSE, Evidence.LOOKS_DIFFERENT)


def test_a_panel_that_looks_different_around_the_place_shows_nothing() -> None:
    repainted = panel()
    repainted[140:330, 190:460] = panel(seed=9)[140:330, 190:460]
    assert evidence(repainted) is Evidence.LOOKS_DIFFERENT


def test_a_panel_that_differs_on_one_side_shows_nothing() -> None:
    repainted = panel()
    repainted[265:330, 190:460] = panel(seed=9)[265:330, 190:460]
    assert evidence(repainted) is Evidence.LOOKS_DIFFERENT


def test_damage_that_moves_relative_to_what_surrounds_it_is_not_absent() -> None:
    behind_glass = panel()
    moved = tuple((x + 45, y - 20) for x, y in SCRATCH)
    assert evidence(scratched(behind_glass, moved)) is not Evidence.ABSENT
