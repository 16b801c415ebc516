"""The training of the plates network: it learns, continues, and ignores unlabelled plates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_training.fitting.checkpoints import CheckpointError
from model_training.fitting.plate_training import (
    LATEST_FILE,
    PlateTrainer,
    PlateTrainingSettings,
    plate_loss,
    train_plates,
)
from model_training.fitting.plate_views import PlatePhoto, PlateViews
from model_training.synthetic.plates_in_photos import PLATE

NETWORK = {"masks": 1, "scores": 1, "variant": "lite0", "decoder": [16, 16, 16], "context": True}
SETTINGS = PlateTrainingSettings(
    steps=6, warm_up_steps=1, batch=2, network=NETWORK, memory=2, checkpoint_every=3
)


def views(batch: int = 2) -> PlateViews:
    rng = np.random.default_rng(0)
    pixels = rng.integers(60, 180, (300, 400, 3)).astype(np.uint8)
    return PlateViews([PlatePhoto(pixels, np.zeros((300, 400), np.uint8), ())], batch, 0)


def test_the_batch_of_a_number_is_always_the_same() -> None:
    pixels, labels = views().at(3)
    assert (pixels.dtype, pixels.shape[1], labels.shape[1:]) == (torch.uint8, 3, pixels.shape[2:])
    again = views().at(3)
    assert torch.equal(pixels, again[0])
    assert torch.equal(labels, again[1])
    assert not torch.equal(pixels, views().at(4)[0])


def test_a_view_of_a_labelled_plate_contains_it() -> None:
    labels = np.full((300, 400), 2, np.uint8)
    labels[100:120, 300:360] = PLATE
    photo = PlatePhoto(np.full((300, 400, 3), 90, np.uint8), labels, ((330.0, 110.0),))
    _, found = PlateViews([photo], 8, 1).at(0)
    assert sum(bool((layer == PLATE).sum() > 20) for layer in found) >= 4


@pytest.mark.slow
def test_a_stopped_training_continues_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    losses: list[tuple[int, float]] = []
    train_plates(views(), tmp_path / "a", SETTINGS, {}, lambda *at: losses.append(at))
    train_plates(views(), tmp_path / "b", replace(SETTINGS, steps=3), {}, lambda *_: None)
    # The learning rate depends on the number of steps: continue with the first one's.
    half = PlateTrainer(SETTINGS, {})
    for _ in range(3):
        half.train_step(views())
    half.save(tmp_path / "b" / LATEST_FILE)
    train_plates(views(), tmp_path / "b", SETTINGS, {}, lambda *_: None)
    one, two = (PlateTrainer(SETTINGS, {}) for _ in range(2))
    one.load(tmp_path / "a" / LATEST_FILE)
    two.load(tmp_path / "b" / LATEST_FILE)
    assert [step for step, _ in losses] == [3, 6]
    for name, tensor in one.average.items():
        assert torch.allclose(tensor, two.average[name], atol=1e-5), name


@pytest.mark.slow
def test_the_encoder_keeps_its_weights_and_the_decoder_learns() -> None:
    trainer = PlateTrainer(SETTINGS, {})
    encoder = trainer.network.encoder._conv_stem.weight.clone()
    statistics = trainer.network.encoder._bn0.running_mean
    assert statistics is not None
    before, masks = statistics.clone(), trainer.network.masks.weight.clone()
    for _ in range(3):
        trainer.train_step(views())
    assert torch.equal(trainer.network.encoder._conv_stem.weight, encoder)
    assert torch.equal(statistics, before)
    assert not torch.equal(trainer.network.masks.weight, masks)


def test_unlabelled_background_that_looks_like_a_plate_is_ignored_later_on() -> None:
    logits = torch.full((1, 1, 16, 16), -4.0)
    logits[:, :, 4:8, 4:8] = 4.0
    labels = torch.zeros(1, 64, 64, dtype=torch.uint8)
    trusting = float(plate_loss(logits, labels, trusting=True))
    ignoring = float(plate_loss(logits, labels, trusting=False))
    labels[:] = 2  # somebody looked: there is no plate
    known = float(plate_loss(logits, labels, trusting=False))
    assert ignoring < 0.2 * trusting
    assert known == pytest.approx(trusting, rel=1e-3)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    small = replace(SETTINGS, network={**NETWORK, "decoder": [24, 16, 16]})
    PlateTrainer(small, {}).save(tmp_path / LATEST_FILE)
    with pytest.raises(CheckpointError, match="a training of a different network"):
        PlateTrainer(SETTINGS, {}).load(tmp_path / LATEST_FILE)
