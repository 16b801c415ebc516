"""Seven networks work the same in seven files as in one, each with its own role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from damage_tasks.inspection import Verdict
from damage_tasks.vision.measurement import conclude
from damage_tasks.vision.segmenter import Segmenter
from model_store.bundle import open_bundle
from tools.small_bundles import gate, segmenter, write_bundle, write_weights

PARAMETERS = {"masks": 5, "scores": 3, "variant": "lite0", "decoder": [16, 16, 16]}
TYPES = ("scratch", "dent", "spacing", "breakage")
PHOTO = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)


def seven(weights: Any = lambda name: "trunk", **damage: Any) -> list[dict[str, Any]]:
    """Three gates and four segmenters; ``weights`` maps each to its file."""
    gates = [
        ("quality", {"ends_with": "none"}),
        ("vehicle", {"ends_with": "rejected", "code": "no_vehicle"}),
        ("damage", {"ends_with": "clean", **damage}),
    ]
    thin = {"kind": "hysteresis", "threshold": 0.07, "low": 0.05, "refine": True}
    policies = {"scratch": thin, "spacing": thin}
    return [
        *(
            gate(name, weights(name), output={"kind": "score", "channel": channel}, **more)
            for channel, (name, more) in enumerate(gates)
        ),
        *(
            segmenter(type, channel, weights(type), policy=policies.get(type, {"threshold": 0.5}))
            for channel, type in enumerate(TYPES)
        ),
    ]


def shared(folder: Path, **damage: Any) -> Segmenter:
    write_bundle(folder)
    weights = {"trunk": write_weights(folder / "trunk.safetensors", parameters=PARAMETERS)}
    write_bundle(folder, types=TYPES, weights=weights, networks=seven(**damage))
    return Segmenter(open_bundle(folder))


def write_separate(folder: Path, **damage: Any) -> Path:
    folder.mkdir(exist_ok=True)
    networks = seven(lambda name: name, **damage)
    weights = {
        network["name"]: write_weights(
            folder / f"{network['name']}.safetensors", parameters=PARAMETERS
        )
        for network in networks
    }
    return write_bundle(folder, types=TYPES, weights=weights, networks=networks)


def separate(folder: Path, **damage: Any) -> Segmenter:
    return Segmenter(open_bundle(write_separate(folder, **damage)))


@pytest.mark.slow
def test_seven_files_say_what_one_file_says(tmp_path: Path) -> None:
    one, many = shared(tmp_path / "one"), separate(tmp_path / "many")
    assert len(many.bundle.manifest.weights) == 7
    expected, found = one.segment(PHOTO), many.segment(PHOTO)
    assert found.decided_by == expected.decided_by == "damage"
    assert found.scores == pytest.approx(expected.scores)
    assert set(found.masks) == set(TYPES)
    for type in TYPES:
        np.testing.assert_array_equal(found.masks[type].pixels, expected.masks[type].pixels)
    size = (PHOTO.shape[1], PHOTO.shape[0])
    verdicts = [
        conclude(outcome, size, looker.decision, TYPES)
        for looker, outcome in ((one, expected), (many, found))
    ]
    assert verdicts[0].damages == verdicts[1].damages


@pytest.mark.parametrize("bundle", [shared, pytest.param(separate, marks=pytest.mark.slow)])
def test_the_damage_gate_ends_it_in_either(bundle: Any, tmp_path: Path) -> None:
    found = bundle(tmp_path, threshold=1.0).segment(PHOTO)
    assert (found.ended, found.decided_by) == (Verdict.CLEAN, "damage")
    assert set(found.scores) == {"quality", "vehicle", "damage"}


def test_one_file_of_seven_that_is_changed_is_named(tmp_path: Path) -> None:
    from damage_tasks.errors import BundleError

    write_separate(tmp_path)
    with (tmp_path / "spacing.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"!")
    with pytest.raises(BundleError, match="weights spacing: .* the file is damaged or was changed"):
        open_bundle(tmp_path)


def test_thin_damage_is_refined_and_dents_are_cut_plainly(tmp_path: Path) -> None:
    looker = shared(tmp_path)
    rough = looker.bundle.manifest.model_dump(by_alias=True, mode="json")
    for network in rough["networks"]:
        if network["role"] == "segment":
            network["policy"]["refine"] = False
    write_bundle(tmp_path, types=TYPES, weights=rough["weights"], networks=rough["networks"])
    refined, unrefined = looker.segment(PHOTO), Segmenter(open_bundle(tmp_path)).segment(PHOTO)
    for type in TYPES:
        same = np.array_equal(
            refined.masks[type].probabilities, unrefined.masks[type].probabilities
        )
        assert same == (type in ("dent", "breakage"))
