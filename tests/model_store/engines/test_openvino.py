"""Bundles give the same results on OpenVINO as on torch, and fall back to torch."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import load_file, save_file

from damage_tasks.errors import BundleError
from damage_tasks.vision.self_test import open_segmenter
from model_store.bundle import Bundle, open_bundle
from model_store.engines import load_engine, loading
from model_store.fetch import fetch_bundle
from model_store.manifest import read_manifest
from model_store.publishing import publish
from model_training.bundling import quantisation
from model_training.bundling.quantisation import quantise
from model_training.data.labelled_photos import LabelledPhoto
from model_training.evaluation import engine_comparison
from model_training.evaluation.engine_comparison import agreement
from tools.small_bundles import PARAMETERS, write_bundle, write_weights

# Shared, because it takes long to build.
pytestmark = [pytest.mark.xdist_group("quantised"), pytest.mark.slow]

PHOTO = np.random.default_rng(0).standard_normal((3, 64, 96), np.float32)


def photos(folder: Path) -> list[LabelledPhoto]:
    rng = np.random.default_rng(4)
    found = []
    for number in range(3):
        path = folder / f"{number}.png"
        small = rng.integers(0, 255, (6, 8, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(small, (128, 96)))
        found.append(LabelledPhoto(str(number), path, "negative"))
    return found


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = write_bundle(tmp_path_factory.mktemp("quantised"))
    some = photos(tmp_path_factory.mktemp("photos"))
    with pytest.MonkeyPatch.context() as patch:
        # Random weights have no masks that int8 could preserve.
        patch.setattr(engine_comparison, "MIN_MASK_IOU", 0.0)
        quantise(folder, some, some, Console(quiet=True))
    return open_bundle(folder)


def test_every_engine_says_what_torch_says(quantised: Bundle) -> None:
    reference = load_engine(quantised, "trunk")
    state, scores = reference.encode(PHOTO)
    masks = reference.decode(state)
    for name, tolerance in (("openvino", 0.02), ("openvino-int8", 0.5)):
        engine = load_engine(quantised, "trunk", engine=name)
        found, found_scores = engine.encode(PHOTO)
        assert scores is not None
        assert found_scores is not None
        np.testing.assert_allclose(found_scores, scores, atol=tolerance)
        np.testing.assert_allclose(engine.decode(found), masks, atol=tolerance)


def test_photos_of_any_shape_run_and_do_not_disturb_each_other(quantised: Bundle) -> None:
    reference = load_engine(quantised, "trunk")
    engine = load_engine(quantised, "trunk", engine="openvino")
    shapes = [(64, 96), (96, 64), (32, 160), (128, 128)] * 4
    rng = np.random.default_rng(1)
    given = [rng.standard_normal((3, *shape), np.float32) for shape in shapes]

    def look(photo: np.ndarray) -> np.ndarray:
        state, _ = engine.encode(photo)
        return engine.decode(state)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(look, given))
    for photo, masks in zip(given, found, strict=True):
        np.testing.assert_allclose(masks, reference.decode(reference.encode(photo)[0]), atol=0.02)


@pytest.fixture(autouse=True)
def cpu_with_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "multiplies_int8", lambda: True)


def test_auto_takes_the_fastest_engine_that_the_bundle_holds(
    quantised: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_segmenter(quantised).engine == "openvino-int8"
    monkeypatch.setattr(loading, "multiplies_int8", lambda: False)
    assert open_segmenter(quantised).engine == "openvino"
    assert open_segmenter(open_bundle(write_bundle(tmp_path))).engine == "openvino"
    monkeypatch.setattr(loading, "openvino_is_installed", lambda: False)
    assert open_segmenter(quantised).engine == "torch"


def test_auto_passes_over_an_engine_that_fails_the_golden_photos(
    quantised: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails_on_int8(segmenter: object) -> int:
        if getattr(segmenter, "engine", "") == "openvino-int8":
            raise BundleError("golden photo dent.jpg: is clean, not damaged")
        return 1

    monkeypatch.setattr("damage_tasks.vision.self_test.check_golden", fails_on_int8)
    with caplog.at_level(logging.WARNING):
        assert open_segmenter(quantised).engine == "openvino"
    assert "engine openvino-int8 is not used: golden photo dent.jpg" in caplog.text
    with pytest.raises(BundleError, match=r"dent\.jpg"):
        open_segmenter(quantised, "openvino-int8")


def test_an_engine_that_the_bundle_does_not_hold_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="quantise"):
        open_segmenter(open_bundle(write_bundle(tmp_path)), "openvino-int8")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"variant": "lite1", "depth": 2},
        {"variant": "lite2", "decoder": [16, 32, 24], "masks": 5},
        {"context": True, "scores": 3, "local": 1, "score_strides": [16, 32]},
        {"scores": 3, "local": 2, "score_strides": [4, 8]},
        {"scores": 3, "local": 1, "whole_photo": 6},
        {"scores": 3, "local": 2, "whole_photo": 6},
        {"scores": 3, "local": 1, "screening": 6},
        {"scores": 4, "local": 2, "whole_photo": 6, "screening": 5},
    ],
    ids=str,
)
def test_the_two_architectures_are_one(changes: dict[str, object], tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "other.safetensors", 3, {**PARAMETERS, **changes})
    bundle = open_bundle(write_bundle(tmp_path, weights={"trunk": weights}))
    reference, engine = (
        load_engine(bundle, "trunk", engine=name) for name in ("torch", "openvino")
    )
    (state, scores), (found, found_scores) = reference.encode(PHOTO), engine.encode(PHOTO)
    assert scores is not None
    assert found_scores is not None
    np.testing.assert_allclose(found_scores, scores, atol=0.02)
    np.testing.assert_allclose(engine.decode(found), reference.decode(state), atol=0.02)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop("masks.bias"), "missing tensor masks.bias"),
        (lambda tensors: tensors.update(more=np.zeros(2)), "unexpected tensor more"),
        (
            lambda tensors: tensors.update({"masks.bias": np.zeros(9)}),
            r"shape \(9,\) instead of \(2,\)",
        ),
    ],
    ids=["missing", "surplus", "shape"],
)
def test_weights_that_do_not_fit_are_refused_in_one_line(
    change: Callable[[dict[str, Any]], object], words: str, tmp_path: Path
) -> None:
    folder = write_bundle(tmp_path)
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    bundle = Bundle(folder, read_manifest(folder)[0], "any")
    with pytest.raises(BundleError, match=rf"^weights trunk: .* does not fit .*: .*{words}"):
        load_engine(bundle, "trunk", engine="openvino")


def test_no_library_reports_to_its_vendor() -> None:
    program = (
        "import sys, threading, model_store.engines.openvino, model_training.bundling.quantisation;"
        "assert 'openvino_telemetry.main' not in sys.modules;"
        "assert threading.active_count() == 1"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_changed_byte_in_a_converted_network_is_noticed(
    quantised: Bundle, tmp_path: Path
) -> None:
    publish(quantised, str(tmp_path))
    copy = tmp_path / "tiny" / "1.0.0"
    assert open_bundle(copy).digest == quantised.digest
    path = copy / "engines/openvino-int8/trunk/encode.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(BundleError, match="damaged or was changed"):
        open_bundle(copy)


def test_converted_networks_travel_through_a_store(
    quantised: Bundle, bucket: str, tmp_path: Path
) -> None:
    fetched = fetch_bundle(publish(quantised, f"s3://{bucket}"), tmp_path)
    assert open_segmenter(fetched, "openvino-int8").engine == "openvino-int8"


def test_int8_that_changes_the_masks_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_bundle(tmp_path / "bundle")
    some = photos(tmp_path)
    monkeypatch.setattr(engine_comparison, "MIN_MASK_IOU", 1.1)
    monkeypatch.setattr(quantisation, "QUANTISATION_SCOPES", quantisation.QUANTISATION_SCOPES[-1:])
    found = quantise(folder, some, some, Console(quiet=True))
    assert list(found) == ["openvino"]
    weights = json.loads((folder / "manifest.json").read_text())["weights"]["trunk"]
    assert "engines" not in weights
    assert not (folder / "engines").exists()
    segmenter = open_segmenter(open_bundle(folder))
    assert segmenter.engine == "openvino"
    photo = np.full((96, 128, 3), 128, np.uint8)
    assert agreement(segmenter, segmenter, [photo]).mask_iou == 1
