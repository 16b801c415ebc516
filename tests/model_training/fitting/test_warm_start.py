"""A training run takes over the weights that fit, matched by the meaning of each channel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from model_training.data.photo_pool import PhotoPool
from model_training.data.targets import MASK_CHANNELS
from model_training.fitting.checkpoints import CheckpointError, load_checkpoint, under
from model_training.fitting.trainer import Trainer
from model_training.fitting.training_settings import TrainingSettings
from model_training.fitting.warm_start import write_start
from tools.small_bundles import gate, segmenter, write_bundle

pytestmark = pytest.mark.slow

SETTINGS = TrainingSettings(
    imagenet=False,
    processes=1,
    network={"masks": 6, "scores": 3, "variant": "lite0", "decoder": [16, 16, 16]},
)


def started(source: Path, folder: Path, settings: TrainingSettings = SETTINGS) -> Any:
    path = folder / "start.safetensors"
    write_start(str(source), settings, path, folder)
    trainer = Trainer(PhotoPool([], torch.ones(0)), settings)
    trainer.load(path)
    assert trainer.step == 0
    return trainer.network.state_dict()


def test_a_bundles_channels_go_where_their_types_are(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    old = load_file(bundle / "weights.safetensors")
    new = started(bundle, tmp_path)
    assert torch.equal(new["encoder._conv_stem.weight"], old["encoder._conv_stem.weight"])
    # The bundle's masks are scratch and dent.
    assert torch.equal(new["masks.weight"][MASK_CHANNELS.index("scratch")], old["masks.weight"][0])
    assert torch.equal(new["masks.weight"][MASK_CHANNELS.index("dent")], old["masks.weight"][1])
    assert not torch.equal(new["masks.weight"][MASK_CHANNELS.index("any")], old["masks.weight"][0])
    assert torch.equal(new["scores.weight"][0], old["scores.weight"][0])


def test_a_checkpoint_gives_its_average(tmp_path: Path) -> None:
    trainer = Trainer(PhotoPool([], torch.ones(0)), replace(SETTINGS, seed=5))
    trainer.average["masks.bias"] += 1
    trainer.step = 7
    trainer.save(tmp_path / "old.safetensors")
    new = started(tmp_path / "old.safetensors", tmp_path)
    assert torch.equal(new["masks.bias"], trainer.average["masks.bias"])


def test_another_encoder_or_decoder_is_left_as_it_begins(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    old = load_file(bundle / "weights.safetensors")
    network = {**SETTINGS.network, "variant": "lite1", "decoder": [16, 16, 8]}
    new = started(bundle, tmp_path, replace(SETTINGS, network=network))
    stem = "encoder._conv_stem.weight"
    assert not torch.equal(new[stem], old[stem])
    assert new["masks.weight"].shape[1] == 8
    assert torch.equal(new["up16.reduce.0.weight"], old["up16.reduce.0.weight"])


def test_a_training_cannot_start_with_an_exported_program(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    from tools.small_bundles import change_manifest, write_weights

    weights = write_weights(bundle / "w.safetensors")
    del weights["architecture"], weights["parameters"]
    change_manifest(bundle, weights={"trunk": {**weights, "format": "exported_program"}})
    with pytest.raises(CheckpointError, match="cannot start with weights"):
        write_start(str(bundle), SETTINGS, tmp_path / "start.safetensors", tmp_path)


def test_the_share_of_reused_parameters_is_returned(tmp_path: Path) -> None:
    networks = [gate(), segmenter("scratch", 0), segmenter("dent", 1)]
    bundle = write_bundle(tmp_path / "bundle", networks=networks)
    share = write_start(str(bundle), SETTINGS, tmp_path / "start.safetensors", tmp_path)
    assert 0.95 < share < 1
    tensors, facts = load_checkpoint(tmp_path / "start.safetensors")
    assert facts["step"] == 0
    assert under("network", tensors).keys() == under("average", tensors).keys()
