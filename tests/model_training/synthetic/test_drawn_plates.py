"""Drawn plates, and photos with them."""

from __future__ import annotations

import numpy as np

from model_training.synthetic.drawn_plates import STYLES, draw_plate
from model_training.synthetic.plates_in_photos import BACKGROUND, PLATE, add_plates


def grey(side: int = 200) -> np.ndarray:
    return np.full((side, side, 3), 110, np.uint8)


def test_plates_have_characters_and_depend_on_the_seed_only() -> None:
    for seed in range(2 * len(STYLES)):
        plate = draw_plate(np.random.default_rng(seed))
        assert plate.shape[0] < plate.shape[1] < 6 * plate.shape[0]
        assert plate.std() > 12, "ink and ground differ"
        assert (plate == draw_plate(np.random.default_rng(seed))).all()
    assert not np.array_equal(
        draw_plate(np.random.default_rng(1)), draw_plate(np.random.default_rng(2))
    )


def test_a_view_changes_only_where_its_labels_say_so() -> None:
    found = set()
    for seed in range(30):
        view, labels = grey(), np.zeros((200, 200), np.uint8)
        add_plates(view, labels, np.random.default_rng(seed))
        found |= set(np.unique(labels))
        changed = (view != 110).any(2)
        # The soft edge of a plate is not labelled.
        edge = np.pad(labels, 2)
        near = np.max(
            [np.roll(edge, (y, x), (0, 1)) for y in range(-2, 3) for x in range(-2, 3)], 0
        )
        assert not (changed & (near[2:-2, 2:-2] == 0)).any()
        assert not (labels == PLATE).any() or changed[labels == PLATE].mean() > 0.5
    assert found == {0, PLATE, BACKGROUND}


def test_a_plate_is_as_dark_as_its_place() -> None:
    def brightness(ground: int) -> float:
        values = []
        for seed in range(40):
            view = np.full((200, 200, 3), ground, np.uint8)
            labels = np.zeros((200, 200), np.uint8)
            add_plates(view, labels, np.random.default_rng(seed))
            values += view[labels == PLATE].mean(1).tolist()
        return float(np.mean(values))

    assert brightness(30) < 0.6 * brightness(120)
