from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model_training.data.augmentation import ViewSettings, spoil, view_matrix
from model_training.data.dataset_readers import read_folder
from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.photo_pool import Pool
from model_training.data.sampling import Mix, Samples
from model_training.data.targets import MASKS, SCORES
from model_training.synthetic.drawn_cars import write_drawn_cars

ONLY: dict[str, Any] = dict.fromkeys(
    ("damaged", "clean_close", "clean_whole", "background", "drawn", "transplanted", "pasted"), 0.0
)


def samples(photos: list[LabelledPhoto], batch: int = 4, **mix: Any) -> Samples:
    sizes = ((64, 64), (48, 96))
    chosen = Mix(**{"sizes": sizes, "drawn_cars": 0, **mix})
    return Samples(Pool.read(photos), batch, 1, chosen, ViewSettings(long_side=96))


def test_a_batch_has_views_and_labels_of_the_same_place(photos: list[LabelledPhoto]) -> None:
    batch = samples(photos).at(0)
    height, width = batch.views.shape[2:]
    assert (height, width) in ((64, 64), (48, 96))
    assert batch.views.shape[:2] == (4, 3)
    assert batch.views.dtype == torch.uint8
    assert batch.target.shape == (4, len(MASKS), height // 4, width // 4)
    assert batch.weight.shape == batch.target.shape
    assert batch.score.shape == batch.score_weight.shape == (4, len(SCORES))
    for values in (batch.target, batch.weight, batch.score, batch.score_weight):
        assert values.min() >= 0
        assert values.max() <= 1


def test_the_label_follows_the_damage(photos: list[LabelledPhoto]) -> None:
    """The damage is yellow (red and green, no blue), and only the damage."""
    batch = samples(photos, 24, **{**ONLY, "damaged": 1.0, "spoilt": 0.0}).at(3)
    colour = torch.nn.functional.avg_pool2d(batch.views.float(), 4)
    yellow = colour[:, 0] - colour[:, 2]
    inside = yellow[batch.target[:, 0] > 0.95].mean()
    outside = yellow[batch.target[:, 0] < 0.05].mean()
    assert inside > outside + 60


def test_a_batch_depends_on_its_number_alone(photos: list[LabelledPhoto]) -> None:
    first, again = samples(photos).at(7), samples(photos).at(7)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.photos, samples(photos, 16).at(8).photos)


def test_types_count_only_where_they_are_known(photos: list[LabelledPhoto]) -> None:
    for number in range(20):
        batch = samples(photos, **{**ONLY, "damaged": 1.0, "spoilt": 0.0}).at(number)
        for i, index in enumerate(batch.photos):
            damage = batch.target[i, 0] > 0.95
            if photos[int(index)].kind == "untyped":
                assert batch.weight[i, 1:5][:, damage].sum() == 0
            elif damage.any():
                assert torch.equal(batch.target[i, 1], batch.target[i, 0])
                assert batch.weight[i, 1].min() == 1


def test_clean_photos_carry_drawn_damage(photos: list[LabelledPhoto]) -> None:
    batch = samples(photos, 12, **{**ONLY, "drawn": 1.0}).at(0)
    assert batch.target[:, 0].sum() > 0
    assert batch.clean.sum() == 0
    assert all(photos[int(i)].kind == "negative" for i in batch.photos)


def test_clean_views_have_no_damage(photos: list[LabelledPhoto]) -> None:
    batch = samples(photos, 12, **{**ONLY, "clean_close": 1.0}).at(0)
    assert batch.target[:, :5].sum() == 0
    assert batch.score[:, 0].sum() == 0
    assert batch.clean.sum() == 12


def test_drawn_cars_are_read_like_photos(tmp_path: Path) -> None:
    drawn = read_folder(write_drawn_cars(tmp_path, 7).parent)
    assert {photo.kind for photo in drawn} == {"drawn"}
    batch = samples(drawn, 8, **{**ONLY, "drawn_cars": 1.0}).at(0)
    assert batch.target[:, 0].sum() > 0
    assert batch.weight[:, 1:5].min() > 0


def test_photos_of_higher_priority_come_more_often(photos: list[LabelledPhoto]) -> None:
    pool = Pool.read(photos)
    pool.priority[pool.clean[0]] = 20
    rng = np.random.default_rng(0)
    chosen = [pool.choose(pool.clean, rng) for _ in range(200)]
    assert chosen.count(pool.clean[0]) > 140


@pytest.mark.parametrize("seed", range(8))
def test_a_spoilt_view_is_blurred_dark_or_bright(seed: int) -> None:
    rng = np.random.default_rng(0)
    view = rng.integers(60, 200, (64, 96, 3), np.uint8)
    bad = spoil(view, np.random.default_rng(seed))
    assert bad.shape == view.shape
    contrast = np.abs(np.diff(bad.astype(float), axis=1)).mean()
    assert contrast < 25 or bad.mean() < 40 or bad.mean() > 210


def test_a_pasted_part_brings_its_label(photos: list[LabelledPhoto]) -> None:
    mix = {**ONLY, "damaged": 0.5, "clean_whole": 0.5, "spoilt": 0.0, "pasted": 1.0}
    found = samples(photos, 8, **mix)
    for number in range(5):
        batch = found.at(number)
        colour = torch.nn.functional.avg_pool2d(batch.views.float(), 4)
        yellow = colour[:, 0] - colour[:, 2]
        inside = yellow[batch.target[:, 0] > 0.95]
        assert not len(inside) or inside.mean() > yellow[batch.target[:, 0] < 0.05].mean() + 60
        clear = batch.score_weight[:, 0] > 0
        seen = batch.target[:, 0].amax((1, 2)) > 0
        assert torch.equal(batch.score[clear, 0] > 0, seen[clear])


def test_damage_is_transplanted_onto_clean_photos(photos: list[LabelledPhoto]) -> None:
    batch = samples(photos, 16, **{**ONLY, "transplanted": 1.0, "spoilt": 0.0}).at(0)
    assert batch.target[:, 0].sum() > 0
    assert batch.clean.sum() == 0
    assert all(photos[int(i)].kind == "negative" for i in batch.photos)


@pytest.mark.parametrize(("turned", "expected"), [(0.0, {0}), (1.0, {90, 180, 270})])
def test_some_views_lie_on_their_side(turned: float, expected: set[int]) -> None:
    rng = np.random.default_rng(0)
    settings = ViewSettings(tilt=2.0, turned=turned)
    angles = set()
    for _ in range(60):
        matrix = view_matrix((300, 400), (256, 256), (200, 150), settings, rng)
        if np.linalg.det(matrix[:, :2]) < 0:  # mirrored afterwards
            matrix = np.diag([-1.0, 1.0]) @ matrix
        angle = np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0]))
        angles.add(round(angle / 90) * 90 % 360)
    assert angles == expected
