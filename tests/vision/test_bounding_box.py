"""Bounding boxes of masks."""

from __future__ import annotations

import numpy as np

from damage_tasks.vision.bounding_box import box_around


def test_a_box_holds_every_pixel_of_a_mask_and_no_row_or_column_more() -> None:
    mask = np.zeros((50, 80), bool)
    mask[10, 20] = mask[30, 40] = True
    assert box_around(mask) == (slice(10, 31), slice(20, 41))


def test_a_margin_ends_at_the_borders() -> None:
    mask = np.zeros((50, 80), bool)
    mask[1, 79] = True
    box = box_around(mask, 5)
    assert box is not None
    assert mask[box].shape == (7, 6)


def test_an_empty_mask_has_no_box() -> None:
    assert box_around(np.zeros((50, 80), bool), 5) is None
