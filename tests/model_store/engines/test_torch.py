"""Weights are executed only if they fit, and nothing is unpickled."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from damage_tasks.errors import BundleError
from model_store.bundle import Bundle, open_bundle
from model_store.engines import REFERENCE, candidates, load_engine
from model_store.engines.torch import TorchEngine, load_network
from tools.small_bundles import PARAMETERS, change_manifest, write_bundle, write_weights

PHOTO = np.random.default_rng(0).standard_normal((3, 64, 96), np.float32)


def entry(path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "input": {"long_side": 64},
        **changes,
    }


def with_weights(folder: Path, weights: dict[str, Any]) -> Bundle:
    change_manifest(write_bundle(folder), weights={"trunk": weights})
    return open_bundle(folder)


def test_encode_gives_scores_and_decode_masks_at_a_quarter(tmp_path: Path) -> None:
    engine = load_engine(open_bundle(write_bundle(tmp_path)), "trunk")
    state, scores = engine.encode(PHOTO)
    assert scores is not None
    assert scores.shape == (1,)
    assert engine.decode(state).shape == (2, 16, 24)


def test_the_reference_is_fp32_on_the_cpu_whatever_is_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = open_bundle(write_bundle(tmp_path))
    exact = TorchEngine(load_network(bundle, bundle.manifest.weights["trunk"]), torch.float32)
    monkeypatch.setattr("model_store.engines.torch.fastest_type", lambda: torch.bfloat16)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    rounded = load_engine(bundle, "trunk")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    reference = load_engine(bundle, "trunk", engine=REFERENCE)
    given = [np.asarray(engine.encode(PHOTO)[1]) for engine in (exact, reference, rounded)]
    np.testing.assert_array_equal(given[1], given[0])
    assert not np.allclose(given[2], given[0], atol=1e-6)


def test_no_worker_is_offered_the_reference(tmp_path: Path) -> None:
    manifest = open_bundle(write_bundle(tmp_path)).manifest
    assert REFERENCE not in candidates(manifest)
    with pytest.raises(BundleError, match=f"unknown engine {REFERENCE}"):
        candidates(manifest, REFERENCE)


def test_half_precision_weights_are_widened(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path)
    path = folder / "half.safetensors"
    save_file({k: v.half() for k, v in load_file(folder / "weights.safetensors").items()}, path)
    weights = entry(path, architecture="efficientnet_lite_unet", parameters=PARAMETERS)
    change_manifest(folder, weights={"trunk": weights})
    _, scores = load_engine(open_bundle(folder), "trunk").encode(PHOTO)
    assert scores is not None
    assert scores.dtype == np.float32


def test_an_unknown_architecture_is_named(tmp_path: Path) -> None:
    weights = write_weights(write_bundle(tmp_path) / "w.safetensors")
    bundle = with_weights(tmp_path, {**weights, "architecture": "yolo"})
    with pytest.raises(BundleError, match="weights trunk: unknown architecture yolo"):
        load_engine(bundle, "trunk")


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    weights = write_weights(write_bundle(tmp_path) / "w.safetensors")
    weights["parameters"] = {**PARAMETERS, "masks": 7}
    with pytest.raises(BundleError, match="weights trunk: .* does not fit"):
        load_engine(with_weights(tmp_path, weights), "trunk")


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    path = write_bundle(tmp_path) / "weights.safetensors"
    tensors = load_file(path)
    del tensors["masks.bias"]
    save_file(tensors, path.with_name("w.safetensors"))
    weights = entry(
        path.with_name("w.safetensors"),
        architecture="efficientnet_lite_unet",
        parameters=PARAMETERS,
    )
    with pytest.raises(BundleError, match="missing tensor masks.bias"):
        load_engine(with_weights(tmp_path, weights), "trunk")


@pytest.mark.slow
def test_a_pickle_in_disguise_is_not_loaded(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "pwned",)

    folder = write_bundle(tmp_path)
    for name, form in (("a.safetensors", "safetensors"), ("a.pt2", "exported_program")):
        path = folder / name
        path.write_bytes(pickle.dumps(Evil()))
        known = {"architecture": "efficientnet_lite_unet"} if form == "safetensors" else {}
        bundle = with_weights(folder, entry(path, format=form, **known))
        with pytest.raises(BundleError, match="weights trunk: a"):
            load_engine(bundle, "trunk")
    assert not (tmp_path / "pwned").exists()


class Unknown(torch.nn.Module):
    """An architecture unknown to `model_store`: two masks and a score."""

    def __init__(self) -> None:
        super().__init__()
        self.masks = torch.nn.Conv2d(3, 2, 4, stride=4)
        self.score = torch.nn.Linear(2, 1)

    def forward(self, photo: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        masks = self.masks(photo)
        return masks, self.score(masks.mean((2, 3)))


@pytest.mark.slow
def test_an_exported_program_runs_without_its_architecture(tmp_path: Path) -> None:
    network = Unknown().eval()
    path = write_bundle(tmp_path) / "program.pt2"
    side = torch.export.Dim("side", min=2, max=64) * 32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        program = torch.export.export(
            network,
            (torch.randn(1, 3, 64, 96),),
            dynamic_shapes=({2: side, 3: torch.export.Dim("other", min=2, max=64) * 32},),
        )
        torch.export.save(program, path)
        bundle = with_weights(tmp_path, entry(path, format="exported_program"))
        engine = load_engine(bundle, "trunk")
        state, scores = engine.encode(PHOTO)
    with torch.inference_mode():
        masks, expected = network(torch.from_numpy(PHOTO)[None])
    assert scores is not None
    np.testing.assert_allclose(scores, expected[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(engine.decode(state), masks[0].numpy(), atol=1e-4)
