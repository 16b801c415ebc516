from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from model_training.data.augmentation import ViewSettings, spoil, view_matrix
from model_training.data.label_formats.manifest_csv import read_folder
from model_training.data.labelled_photos import BREAKAGE, DENT, SCRATCH, LabelledPhoto
from model_training.data.photo_pool import PhotoPool
from model_training.data.targets import MASK_CHANNELS, SCORE_CHANNELS
from model_training.fitting.sampling import SampleMix, Samples
from model_training.synthetic.drawn_cars import write_drawn_cars

ONLY: dict[str, Any] = dict.fromkeys(
    (
        "damaged",
        "clean_close",
        "clean_whole",
        "background",
        "drawn",
        "transplanted",
        "pasted",
        "unmarked",
    ),
    0.0,
)


def samples(photos: list[LabelledPhoto], batch: int = 4, **mix: Any) -> Samples:
    sizes = ((64, 64), (48, 96))
    chosen = SampleMix(**{"sizes": sizes, "drawn_cars": 0, **mix})
    return Samples(PhotoPool.read(photos), batch, 1, chosen, ViewSettings(long_side=96))


def test_a_batch_has_views_and_labels_of_the_same_place(photos: list[LabelledPhoto]) -> None:
    batch = samples(photos).at(0)
    height, width = batch.views.shape[2:]
    assert (height, width) in ((64, 64), (48, 96))
    assert batch.views.shape[:2] == (4, 3)
    assert batch.views.dtype == torch.uint8
    assert batch.target.shape == (4, len(MASK_CHANNELS), height // 4, width // 4)
    assert batch.weight.shape == batch.target.shape
    assert batch.score.shape == batch.score_weight.shape == (4, len(SCORE_CHANNELS))
    for values in (batch.target, batch.weight, batch.score, batch.score_weight):
        assert values.min() >= 0
        assert values.max() <= 1


def test_the_label_follows_the_damage(photos: list[LabelledPhoto]) -> None:
    """The damage, and only the damage, is yellow (red and green, no blue)."""
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


def typed(photo: LabelledPhoto, class_id: int, folder: Path, **changes: Any) -> LabelledPhoto:
    """The same photo with damage of a different type."""
    _, ids = photo.read()
    path = folder / f"{photo.id}-{class_id}.png"
    cv2.imwrite(str(path), np.where(ids > 0, class_id, 0).astype(np.uint8))
    return replace(photo, kind="typed", mask_path=path, **changes)


@pytest.mark.parametrize(
    ("class_id", "broken_parts", "unknown"),
    [
        (DENT, False, {"spacing", "breakage"}),  # a torn bumper may be labelled as a dent here
        (DENT, True, {"spacing"}),
        (BREAKAGE, True, {"dent", "spacing"}),
        (BREAKAGE, False, {"spacing"}),
    ],
)
def test_what_a_source_calls_broken_or_dented_is_unknown_of_the_other(
    photos: list[LabelledPhoto],
    tmp_path: Path,
    class_id: int,
    broken_parts: bool,
    unknown: set[str],
) -> None:
    damaged = [
        typed(photo, class_id, tmp_path, broken_parts=broken_parts)
        for photo in photos
        if photo.damaged
    ]
    batch = samples(damaged, 16, **{**ONLY, "damaged": 1.0, "spoilt": 0.0}).at(1)
    inside = batch.target[:, 0] > 0.95
    assert inside.any()
    found = {
        name
        for channel, name in enumerate(MASK_CHANNELS[:5])
        if batch.weight[:, channel][inside].max() < 0.6
    }
    assert found == unknown
    outside = batch.target[:, 0] == 0
    assert batch.weight[:, :5].permute(1, 0, 2, 3)[:, outside].min() == 1


def test_undamaged_places_of_damaged_photos_are_sampled(tmp_path: Path) -> None:
    photo, ids = np.full((240, 320, 3), 120, np.uint8), np.zeros((240, 320), np.uint8)
    photo[100:140, :40], ids[100:140, :40] = (20, 240, 250), SCRATCH
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    cv2.imwrite(str(tmp_path / "mask.png"), ids)
    damaged = LabelledPhoto("a", tmp_path / "photo.png", "typed", mask_path=tmp_path / "mask.png")
    batch = samples([damaged], 32, **{**ONLY, "unmarked": 1.0, "spoilt": 0.0}).at(0)
    seen = batch.target[:, 0].amax((1, 2)) > 0
    assert seen.float().mean() < 0.5
    assert batch.score[~seen, 0].max() == 0  # it counts as undamaged
    assert batch.score_weight[~seen, 0].min() == 1


def test_photos_of_higher_weight_come_more_often(photos: list[LabelledPhoto]) -> None:
    weighted = [replace(photo, weight=20.0 if photo.id == "0" else 1.0) for photo in photos]
    pool = PhotoPool.read(weighted)
    rng = np.random.default_rng(0)
    chosen = [pool.choose(pool.clean, rng) for _ in range(200)]
    assert chosen.count(0) > 140


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


@pytest.mark.slow
def test_drawn_cars_are_read_like_photos(tmp_path: Path) -> None:
    drawn = read_folder(write_drawn_cars(tmp_path, 7).parent)
    assert {photo.kind for photo in drawn} == {"drawn"}
    batch = samples(drawn, 8, **{**ONLY, "drawn_cars": 1.0}).at(0)
    assert batch.target[:, 0].sum() > 0
    assert batch.weight[:, 1:5].min() > 0


def test_photos_of_higher_priority_come_more_often(photos: list[LabelledPhoto]) -> None:
    pool = PhotoPool.read(photos)
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
