from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from model_store.__main__ import cli
from model_store.recipe.checkpoints import CheckpointError, load_checkpoint, under
from model_store.recipe.export import read_network
from model_store.recipe.finishing import Cells, fit, mean_of
from model_store.recipe.labels import MASKS
from model_store.recipe.photos import LabelledPhoto
from model_store.recipe.training import train
from tests.model_store.recipe.test_training import SETTINGS


@pytest.fixture
def runs(photos: list[LabelledPhoto], tmp_path: Path) -> list[Path]:
    """Two checkpoints of the same network."""
    short = replace(SETTINGS, steps=2, decay_steps=0)
    return [train(photos, tmp_path / f"run-{n}", replace(short, seed=n)) for n in range(2)]


def test_the_mean_is_that_of_the_averaged_weights(runs: list[Path]) -> None:
    mean, facts = mean_of(runs)
    one, two = (under("average", load_checkpoint(path)[0]) for path in runs)
    torch.testing.assert_close(
        mean["masks.weight"], (one["masks.weight"] + two["masks.weight"]) / 2
    )
    assert facts["step"] == 2


def test_networks_that_differ_have_no_mean(
    runs: list[Path], photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    wider = replace(
        SETTINGS, steps=2, decay_steps=0, network={**SETTINGS.network, "decoder": [16, 16, 24]}
    )
    other = train(photos, tmp_path / "other", wider)
    with pytest.raises(CheckpointError, match="another network"):
        mean_of([runs[0], other])


def test_a_rare_output_that_the_features_tell_is_found() -> None:
    torch.manual_seed(0)
    features = torch.randn(50_000, 4)
    target = (features[:, 1] > 2.3).float()  # one in a hundred
    weight, bias, overlap = fit(Cells(features, target, torch.ones(len(target))))
    assert overlap > 0.8
    said = features @ weight + bias > 0
    assert (said & (target > 0)).sum() / target.sum() > 0.8


def test_finishing_changes_one_output_and_can_be_exported(
    runs: list[Path], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mean.safetensors"
    command = ["finish", *map(str, runs), "--photos", str(folder), "--out", str(out)]
    result = CliRunner().invoke(cli, [*command, "--batches", "2", "--drawn-cars", "2"])
    assert result.exit_code == 0, result.output
    mean, _ = mean_of(runs)
    network, _, facts = read_network(out)
    spacing = MASKS.index("spacing")
    changed = (network.masks.weight != mean["masks.weight"]).flatten(1).any(1)
    assert changed.nonzero().flatten().tolist() == [spacing]
    assert facts["step"] == 2


def test_the_mean_alone_is_had_without_a_refit(
    runs: list[Path], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mean.safetensors"
    command = ["finish", *map(str, runs), "--photos", str(folder), "--out", str(out)]
    assert CliRunner().invoke(cli, [*command, "--refit", ""]).exit_code == 0
    mean, _ = mean_of(runs)
    torch.testing.assert_close(read_network(out)[0].masks.weight.data, mean["masks.weight"])
