from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from model_training.data.augmentation import ViewSettings
from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.photo_pool import PhotoPool
from model_training.fitting.checkpoints import CheckpointError, load_checkpoint
from model_training.fitting.sampling import SampleMix, Samples
from model_training.fitting.trainer import Trainer
from model_training.fitting.training_log import LOG, SCALARS
from model_training.fitting.training_loop import STABLE_FILE, train
from model_training.fitting.training_settings import TrainingSettings, learning_rate

pytestmark = pytest.mark.slow

SETTINGS = TrainingSettings(
    steps=4,
    decay_steps=2,
    warm_up_steps=1,
    batch=4,
    imagenet=False,
    processes=1,
    checkpoint_every=2,
    monitor_every=4,
    network={"masks": 6, "scores": 3, "variant": "lite0", "decoder": [16, 16, 16]},
    mix=SampleMix(sizes=((64, 64),)),
    views=ViewSettings(long_side=96),
)


def test_training_reduces_the_loss(photos: list[LabelledPhoto]) -> None:
    pool = PhotoPool.read(photos)
    trainer = Trainer(pool, replace(SETTINGS, steps=1000))
    batch = Samples(pool, 6, 0, SETTINGS.mix, SETTINGS.views).at(0)
    losses = [trainer.train_step(batch)["loss"] for _ in range(12)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_resumed_training_ends_in_the_same_state(
    photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    last = train(photos, whole, SETTINGS)
    for steps in (2, 4):
        # The number of steps determines the learning rate, so it must not change.
        settings = replace(SETTINGS, decay_steps=0) if steps == 2 else SETTINGS
        train(photos, parts, replace(settings, steps=steps))
    expected, facts = load_checkpoint(last)
    found, found_facts = load_checkpoint(parts / last.name)
    assert found_facts["step"] == facts["step"] == 4
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_frozen_blocks_stay_as_they_are_and_the_rest_learns(
    photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    settings = replace(SETTINGS, frozen_blocks=3)
    before = Trainer(PhotoPool.read(photos), settings).network.state_dict()
    train(photos, tmp_path, replace(settings, steps=2, decay_steps=0))
    tensors, _ = load_checkpoint(train(photos, tmp_path, settings))
    after = {name: tensors[f"network.{name}"] for name in before}
    frozen = ("encoder._conv_stem.", "encoder._bn0.", *(f"encoder._blocks.{n}." for n in range(3)))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [name for name in changed if name.startswith(frozen)]
    assert "encoder._blocks.3._expand_conv.weight" in changed
    assert "masks.weight" in changed


def test_two_processes_share_the_work(photos: list[LabelledPhoto], tmp_path: Path) -> None:
    last = train(photos, tmp_path, replace(SETTINGS, steps=2, decay_steps=1, processes=2))
    _, facts = load_checkpoint(last)
    assert facts["step"] == 2


def test_bf16_learns_too_and_keeps_fp32_weights(photos: list[LabelledPhoto]) -> None:
    pool = PhotoPool.read(photos)
    trainer = Trainer(pool, replace(SETTINGS, steps=1000, precision="bf16"))
    batch = Samples(pool, 6, 0, SETTINGS.mix, SETTINGS.views).at(0)
    losses = [trainer.train_step(batch)["loss"] for _ in range(12)]
    assert losses[-1] < 0.8 * losses[0]
    assert {p.dtype for p in trainer.network.parameters()} == {torch.float32}


def test_fp16_scales_its_loss_and_lowers_the_scale_when_gradients_overflow(
    photos: list[LabelledPhoto],
) -> None:
    pool = PhotoPool.read(photos)
    trainer = Trainer(pool, replace(SETTINGS, precision="fp16"))
    trainer.scaler.scale(torch.ones(1))  # which makes the scale
    trainer.scaler.update(2.0**40)
    before = trainer.network.masks.weight.clone()
    trainer.train_step(Samples(pool, 1, 0, SETTINGS.mix, SETTINGS.views).at(0))
    assert trainer.scaler.get_scale() == 2.0**39
    assert torch.equal(trainer.network.masks.weight, before)


def test_loader_workers_end_in_the_same_state(photos: list[LabelledPhoto], tmp_path: Path) -> None:
    shares = ("unmarked", "clean_whole", "clean_close", "background", "drawn", "drawn_cars",
              "transplanted")  # fmt: skip
    mix = SampleMix(**dict.fromkeys(shares, 0.0), damaged=1.0, sizes=((64, 64),))
    settings = replace(SETTINGS, mix=mix)  # no clean photos: their priorities would be older
    states = [
        load_checkpoint(train(photos, tmp_path / str(n), replace(settings, loader_workers=n)))[0]
        for n in (0, 2)
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_scalars_are_written_for_tensorboard(photos: list[LabelledPhoto], tmp_path: Path) -> None:
    train(photos, tmp_path, replace(SETTINGS, steps=2, decay_steps=1))
    assert list((tmp_path / SCALARS).glob("events.out.tfevents.*"))


def test_the_state_before_the_decay_and_a_log_are_kept(
    photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    seen = []

    def monitor(step: int, network: torch.nn.Module) -> dict[str, float]:
        assert not network.training
        seen.append(step)
        return {"figure": 0.5}

    train(photos, tmp_path, SETTINGS, monitor=monitor)
    assert load_checkpoint(tmp_path / STABLE_FILE)[1]["step"] == 2
    assert seen == [4]
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert lines[-1]["figure"] == 0.5


def test_a_training_can_start_from_another(photos: list[LabelledPhoto], tmp_path: Path) -> None:
    first = train(photos, tmp_path / "first", replace(SETTINGS, steps=2))
    last = train(photos, tmp_path / "second", replace(SETTINGS, steps=3), start_from=first)
    assert load_checkpoint(last)[1]["step"] == 3


def test_the_average_follows_the_network(photos: list[LabelledPhoto]) -> None:
    pool = PhotoPool.read(photos)
    trainer = Trainer(pool, SETTINGS)
    before = trainer.average["masks.weight"].clone()
    trainer.train_step(Samples(pool, 2, 0, SETTINGS.mix, SETTINGS.views).at(0))
    now = trainer.network.state_dict()["masks.weight"]
    after = trainer.average["masks.weight"]
    assert not torch.equal(after, before)
    assert (after - before).abs().sum() < (now - before).abs().sum()


def test_clean_photos_that_look_damaged_come_more_often(photos: list[LabelledPhoto]) -> None:
    pool = PhotoPool.read(photos)
    trainer = Trainer(pool, SETTINGS)
    shares = ("damaged", "unmarked", "clean_whole", "background", "drawn", "drawn_cars",
              "transplanted", "pasted")  # fmt: skip
    mix = SampleMix(**dict.fromkeys(shares, 0.0), clean_close=1.0, sizes=((64, 64),))
    batch = Samples(pool, 4, 0, mix, SETTINGS.views).at(0)
    certain = torch.full((4, 6, 16, 16), 20.0)
    trainer.prefer_false_alarms(batch, certain, torch.zeros(4, 3))
    index = int(batch.photos[0])
    assert pool.priority[index] > 2
    trainer.prefer_false_alarms(batch, -certain, torch.full((4, 3), -20.0))
    assert pool.priority[index] < 3


def test_the_learning_rate_warms_up_stays_and_falls() -> None:
    settings = TrainingSettings(steps=100, decay_steps=40, warm_up_steps=10)
    rates = [learning_rate(step, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == rates[60] == 1
    assert rates[-1] < 0.02
    assert all(a >= b for a, b in pairwise(rates[60:]))


def test_a_broken_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latest.safetensors"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="latest"):
        load_checkpoint(path)


def test_channels_are_left_out_in_training_alone(photos: list[LabelledPhoto]) -> None:
    trainer = Trainer(PhotoPool.read(photos), replace(SETTINGS, dropout=0.5))
    block: Any = trainer.network.up8
    torch.manual_seed(0)
    seen = torch.randn(8, block.reduce[0].in_channels, 8, 8)

    def silent(block: torch.nn.Module) -> float:
        return float((block(seen).abs().sum((2, 3)) == 0).float().mean())

    assert 0.3 < silent(block.train()) < 0.7
    assert silent(block.eval()) == 0
    assert silent(trainer.averaged().up8) == 0
