"""Pixelated areas keep no detail."""

from __future__ import annotations

import numpy as np

from damage_tasks.redaction.pixelation import SQUARES, pixelate
from damage_tasks.redaction.regions import Region


def region(*corners: tuple[float, float]) -> Region:
    return Region("plate", np.array(corners, np.float32), 0.9)


def test_an_area_has_at_most_so_many_colours_and_keeps_its_mean() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (100, 200, 3)).astype(np.uint8)
    result = pixelate(photo, [region((20, 30), (140, 30), (140, 60), (20, 60))])
    inside = result[31:59, 21:139]
    assert len(np.unique(inside.reshape(-1, 3), axis=0)) <= SQUARES * 2
    assert abs(float(inside.mean()) - float(photo[31:59, 21:139].mean())) < 3
    assert (result[:29] == photo[:29]).all()


def test_an_area_that_reaches_beyond_the_photo_is_pixelated_up_to_its_edge() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (100, 200, 3)).astype(np.uint8)
    result = pixelate(photo, [region((-50, -20), (30, -20), (30, 20), (-50, 20))])
    assert len(np.unique(result[:19, :29].reshape(-1, 3), axis=0)) <= SQUARES**2
    outside = pixelate(photo, [region((300, 300), (310, 300), (310, 310))])
    assert (outside == photo).all()
