from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from model_training.data.panel_borders import find_panel_borders, thin
from model_training.synthetic.drawn_damage import draw_dent, draw_scratch, draw_spacing

Rng = np.random.Generator


def panel() -> Any:
    """A light grey surface with one dark vertical line from top to bottom."""
    photo = np.full((240, 320, 3), 170, np.uint8)
    photo += np.random.default_rng(0).integers(0, 6, photo.shape, np.uint8)
    cv2.line(photo, (150, 20), (160, 220), (60, 60, 60), 2)
    return photo


def draw_on_border(photo: Any, _: Any, rng: Rng) -> Any:
    border = np.column_stack([np.linspace(150, 160, 200), np.linspace(20, 220, 200)])
    return draw_spacing(photo, border.astype(np.float32), rng)


@pytest.mark.parametrize("draw", [draw_scratch, draw_dent, draw_on_border])
@pytest.mark.parametrize("seed", range(5))
def test_damage_is_drawn_where_the_mask_says(draw: Callable[..., Any], seed: int) -> None:
    photo = panel()
    drawn, mask = draw(photo, (160.0, 120.0), np.random.default_rng(seed))
    assert drawn.shape == photo.shape
    assert drawn.dtype == np.uint8
    assert mask.shape == photo.shape[:2]
    assert set(np.unique(mask)) == {0, 1}
    changed = np.abs(drawn.astype(int) - photo).mean(2)
    assert changed[mask > 0].mean() > 4 * changed[mask == 0].mean()


@pytest.mark.parametrize("draw", [draw_scratch, draw_dent, draw_on_border])
def test_the_same_seed_draws_the_same(draw: Callable[..., Any]) -> None:
    first = draw(panel(), (160.0, 120.0), np.random.default_rng(3))
    again = draw(panel(), (160.0, 120.0), np.random.default_rng(3))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


@pytest.mark.parametrize("centre", [(0.0, 0.0), (319.0, 239.0), (0.0, 239.0)])
@pytest.mark.parametrize("draw", [draw_scratch, draw_dent])
def test_damage_at_the_photos_corner(draw: Callable[..., Any], centre: tuple[float, float]) -> None:
    drawn, _ = draw(panel(), centre, np.random.default_rng(1))
    assert drawn.shape == (240, 320, 3)


def test_a_panel_border_is_found_on_its_line() -> None:
    everywhere = np.ones((240, 320), np.uint8)
    borders = find_panel_borders(panel(), everywhere)
    assert borders
    longest = borders[0]
    assert longest[:, 1].max() - longest[:, 1].min() > 120
    on_line = 150 + (longest[:, 1] - 20) / 20
    assert np.abs(longest[:, 0] - on_line).max() < 4


def test_no_border_is_found_outside_the_vehicle() -> None:
    assert not find_panel_borders(panel(), np.zeros((240, 320), np.uint8))


def test_thinning_leaves_a_line_one_pixel_wide() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[15:22, 5:55] = 1
    line = thin(mask)
    assert line.sum(0).max() == 1
    assert line.sum() > 35
