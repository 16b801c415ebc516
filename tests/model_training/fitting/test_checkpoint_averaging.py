from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from model_store.fetch import DEFAULT_BUNDLE_FOLDER
from model_training.__main__ import cli
from model_training.bundling.bundle_export import read_network
from model_training.data.labelled_photos import LabelledPhoto
from model_training.fitting.checkpoint_averaging import mean_of, save
from model_training.fitting.checkpoints import CheckpointError, load_checkpoint, under
from model_training.fitting.training_loop import train
from model_training.fitting.training_settings import TrainingSettings
from model_training.fitting.warm_start import write_start
from tests.model_training.fitting.test_training_loop import SETTINGS

pytestmark = pytest.mark.slow

SHORT = replace(SETTINGS, steps=2, decay_steps=0)


@pytest.fixture
def runs(photos: list[LabelledPhoto], tmp_path: Path) -> list[Path]:
    """Two training runs of the same network."""
    return [train(photos, tmp_path / f"run-{n}", replace(SHORT, seed=n)).parent for n in range(2)]


def weights(run: Path) -> torch.Tensor:
    tensors, _ = load_checkpoint(run / "latest.safetensors")
    return under("average", tensors)["masks.weight"]


def test_the_mean_is_that_of_the_averaged_weights(runs: list[Path], tmp_path: Path) -> None:
    mean, facts = mean_of([str(run) for run in runs], tmp_path)
    torch.testing.assert_close(mean["masks.weight"], (weights(runs[0]) + weights(runs[1])) / 2)
    assert facts["settings"]["seed"] == 1
    assert facts["mean_of"] == ["1 x run-0 (2 steps)", "1 x run-1 (2 steps)"]
    names = [parent["name"] for parent in facts["lineage"]["trained_from"]]
    assert names == ["run-0 (2 steps)", "run-1 (2 steps)"]


def test_what_is_named_twice_counts_twice(runs: list[Path], tmp_path: Path) -> None:
    mean, facts = mean_of([str(runs[0]), str(runs[1]), str(runs[0])], tmp_path)
    expected = (2 * weights(runs[0]) + weights(runs[1])) / 3
    torch.testing.assert_close(mean["masks.weight"], expected)
    assert facts["mean_of"] == ["2 x run-0 (2 steps)", "1 x run-1 (2 steps)"]


def test_networks_that_differ_have_no_mean(
    runs: list[Path], photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    wider = replace(SHORT, network={**SETTINGS.network, "decoder": [16, 16, 24]})
    other = train(photos, tmp_path / "other", wider)
    with pytest.raises(
        CheckpointError, match=r"run-0 has a different network from other \(2 steps"
    ):
        mean_of([str(runs[0]), str(other)], tmp_path)


def test_a_bundle_counts_like_the_training_that_it_came_from(tmp_path: Path) -> None:
    default = TrainingSettings(imagenet=False)
    start = tmp_path / "start.safetensors"
    write_start("default", default, start, tmp_path)
    tensors, facts = mean_of(["default", str(start)], tmp_path)
    shipped = load_file(DEFAULT_BUNDLE_FOLDER / "weights/damage.safetensors")
    for name in ("masks.weight", "encoder._blocks.3._bn0.running_var", "local.weight"):
        torch.testing.assert_close(tensors[name], shipped[name].float(), atol=1e-6, rtol=1e-6)
    manifest = json.loads((DEFAULT_BUNDLE_FOLDER / "manifest.json").read_text())
    assert facts["mean_of"] == [f"1 x default {manifest['version']}", "1 x start (0 steps)"]
    save(tensors, facts, tmp_path / "mean.safetensors")
    assert not read_network(tmp_path / "mean.safetensors")[0].training


def test_bundles_alone_have_no_settings_for_further_training(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="give at least one training"):
        mean_of(["default"], tmp_path)


def test_the_command_writes_what_export_and_another_training_begin_with(
    runs: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "mean.safetensors"
    result = CliRunner().invoke(cli, ["average", *map(str, runs), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "run-0 (2 steps)" in " ".join(result.output.split())
    expected = (weights(runs[0]) + weights(runs[1])) / 2
    torch.testing.assert_close(read_network(out)[0].masks.weight.data, expected)
    assert write_start(str(out), SHORT, tmp_path / "start.safetensors", tmp_path) == 1


def test_a_mean_of_a_mean_names_its_parts(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "both.safetensors"
    save(*mean_of([str(run) for run in runs], tmp_path), out)
    _, facts = mean_of([str(out), str(runs[0])], tmp_path)
    assert facts["mean_of"] == [
        "1 x both (1 x run-0 (2 steps), 1 x run-1 (2 steps))",
        "1 x run-0 (2 steps)",
    ]


def test_the_mean_is_not_written_to_a_folder(runs: list[Path]) -> None:
    command = ["average", *map(str, runs), "--out", str(runs[0])]
    assert CliRunner().invoke(cli, command).exit_code == 2
    assert not list(runs[0].parent.glob("*.tmp"))
