"""Two photos are related only if they clearly show the same part of a car."""

from __future__ import annotations

import numpy as np
import pytest

from damage_tasks.car_history.view_matching import describe, is_plausible, register, transform
from tests.car_history.panels import HEIGHT, WIDTH, panel, photographed, view


def test_points_of_a_panel_are_found_from_another_place_and_in_other_light() -> None:
    matrix = view(turn=12, zoom=0.8, shift=(30, -20))
    found = register(describe(panel()), describe(photographed(panel(), matrix)))
    assert found is not None
    corners = np.array([(100, 100), (500, 120), (480, 400), (150, 380)], float)
    error = np.abs(transform(found.matrix, corners) - transform(matrix, corners))
    assert error.max() < 2
    assert np.abs(transform(found.matrix, found.points) - found.partners).max() < 10


@pytest.mark.parametrize(
    "other",
    [
        panel(seed=2),
        np.ascontiguousarray(panel()[:, ::-1]),
        np.full((HEIGHT, WIDTH, 3), 120, np.uint8),
    ],
    ids=["another car", "a mirrored panel", "a wall"],
)
def test_other_pictures_are_not_related(other: np.ndarray) -> None:
    seen = describe(photographed(other, view(turn=3)))
    assert register(describe(panel()), seen) is None
    assert register(seen, describe(panel())) is None


def test_a_pattern_that_repeats_is_not_related_to_itself_elsewhere() -> None:
    rows, columns = np.indices((HEIGHT, WIDTH))
    grille = (((rows // 12 + columns // 12) % 2) * 180 + 30).astype(np.uint8)
    grille = np.repeat(grille[:, :, None], 3, axis=2)
    assert register(describe(grille), describe(photographed(grille, view(shift=(40, 0))))) is None


@pytest.mark.parametrize(
    ("matrix", "is_right"),
    [
        (np.eye(3), True),
        (np.diag([-1.0, 1, 1]), False),  # mirrored
        (np.diag([6.0, 1, 1]), False),  # too slanted
        (np.array([[1, 0, 0], [0, 1, 0], [-0.02, 0, 1.0]]), False),  # behind the camera
    ],
)
def test_only_views_of_the_outside_are_plausible(matrix: np.ndarray, is_right: bool) -> None:
    assert is_plausible(matrix, np.array([100.0, 100.0])) is is_right
