from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from model_store.architectures import build
from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet
from model_store.errors import BundleError
from model_training.__main__ import cli
from model_training.bundling.bundle_export import read_network
from model_training.data.labelled_photos import LabelledPhoto
from model_training.fitting.checkpoint_averaging import mean_of
from model_training.fitting.checkpoints import CheckpointError
from model_training.fitting.training_loop import train
from model_training.fitting.whole_photo_head import Examples, balanced, describe_photos, fit
from tests.model_training.fitting.test_training_loop import SETTINGS

LOCAL = {**SETTINGS.network, "local": 1}


@pytest.mark.slow
def test_the_head_tells_features_of_damage_from_others() -> None:
    rng = np.random.default_rng(0)
    damaged = rng.random(400) < 0.3
    features = rng.normal(5, 2, (400, 12)).astype(np.float32)
    features[:, 3] += 4 * damaged
    weights = balanced(damaged, ["phone"] * 400, np.zeros(400, bool))
    head = fit(Examples(features, damaged, weights))
    hidden = torch.from_numpy(features) @ head["0.weight"].T + head["0.bias"]
    scores = (hidden.relu() @ head["2.weight"].T + head["2.bias"])[:, 0].numpy()
    assert ((scores > 0) == damaged).mean() > 0.75


def test_domains_and_both_kinds_of_photo_count_alike() -> None:
    damaged = np.array([True, True, True, False, True, False])
    domains = ["phone", "phone", "phone", "phone", "stock", "stock"]
    weights = balanced(damaged, domains, np.zeros(6, bool))
    assert weights[:3].sum() == pytest.approx(weights[3])
    assert weights[4] == pytest.approx(weights[5]) == pytest.approx(weights[3])


def test_examples_show_whole_photos_and_parts(photos: list[LabelledPhoto]) -> None:
    network = EfficientNetLiteUNet(**LOCAL).eval()
    examples = describe_photos(network, photos, 96)
    assert len(examples.damaged) > len(photos)
    assert len(examples.features) == len(examples.weights) == len(examples.damaged)
    undamaged_parts = (~examples.damaged).sum() - sum(not photo.damaged for photo in photos)
    assert undamaged_parts > 0


def test_threads_change_nothing(photos: list[LabelledPhoto]) -> None:
    network = EfficientNetLiteUNet(**LOCAL).eval()
    one, two = (describe_photos(network, photos, 64, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(two.features, one.features)
    np.testing.assert_array_equal(two.weights, one.weights)


@pytest.mark.slow
def test_a_score_is_fitted_and_the_masks_stay_as_they_are(
    folder: Path, photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    settings = replace(SETTINGS, steps=2, decay_steps=0, network=LOCAL)
    run = train(photos, tmp_path / "run", settings).parent
    out = tmp_path / "scored.safetensors"
    words = ["fit-score", run, "--photos", folder, "--out", out, "--gate-side", "96"]
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    (before, _, _), (after, parameters, _) = (
        read_network(path) for path in (run / "latest.safetensors", out)
    )
    assert parameters["whole_photo"] > 0
    photo = torch.randn(1, 3, 96, 128)
    (masks, scores), (fitted_masks, fitted_scores) = before(photo), after(photo)
    torch.testing.assert_close(fitted_masks, masks)
    torch.testing.assert_close(fitted_scores[:, 1:], scores[:, 1:])
    assert float(fitted_scores[0, 0].detach()) != float(scores[0, 0].detach())


@pytest.mark.slow
def test_a_screening_score_is_added_after_the_others(
    folder: Path, photos: list[LabelledPhoto], tmp_path: Path
) -> None:
    settings = replace(SETTINGS, steps=2, decay_steps=0, network=LOCAL)
    run = train(photos, tmp_path / "run", settings).parent
    paths = [
        run / "latest.safetensors",
        tmp_path / "once.safetensors",
        tmp_path / "twice.safetensors",
    ]
    for source, out in itertools.pairwise(paths):
        words = ["fit-score", source, "--photos", folder, "--out", out, "--gate-side", "64",
                 "--screening"]  # fmt: skip
        result = CliRunner().invoke(cli, [str(word) for word in words])
        assert result.exit_code == 0, result.output
    photo = torch.randn(1, 3, 96, 128)
    (before, _, _), *fitted = (read_network(path) for path in paths)
    for network, parameters, _ in fitted:
        assert parameters["scores"] == SETTINGS.network["scores"] + 1
        (masks, scores), (same_masks, more_scores) = before(photo), network(photo)
        torch.testing.assert_close(same_masks, masks)
        torch.testing.assert_close(more_scores[:, :-1], scores)
    mean, facts = mean_of([str(run), str(paths[2])], tmp_path / "cache")
    assert "screening" not in facts["settings"]["network"]
    assert not [name for name in mean if name.startswith("screening")]
    assert facts["settings"]["network"]["scores"] == SETTINGS.network["scores"]


def test_a_head_without_a_local_score_is_refused() -> None:
    with pytest.raises(BundleError, match="whole_photo and screening need a local score"):
        build("efficientnet_lite_unet", {**SETTINGS.network, "whole_photo": 6})


def test_a_network_without_a_local_score_gets_no_head(photos: list[LabelledPhoto]) -> None:
    network = EfficientNetLiteUNet(**SETTINGS.network).eval()
    with pytest.raises(CheckpointError, match="without a local score"):
        describe_photos(network, photos, 96)
