"""Arbitrary networks can be packed into a bundle that workers can use."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch

from damage_tasks.errors import BundleError
from damage_tasks.vision.segmenter import Segmenter
from damage_tasks.vision.self_test import check_golden
from model_store.bundle import open_bundle
from model_store.manifest import read_manifest
from model_store.publishing import check_finished
from model_training.bundling import self_test_photos
from model_training.bundling.manifest_from_weights import pack
from tests.model_training.cli.test_training_cli import run
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_weights

pytestmark = pytest.mark.slow

FACTS = {"name": "own", "version": "1.0.0", "licence": "ours", "training_data": "our fleet"}


class Net(torch.nn.Module):
    """One mask and one score by plain convolutions."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.mask = torch.nn.Conv2d(3, 1, 4, stride=4)

    def forward(self, photo: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mask = self.mask(photo)
        return mask, mask.mean((2, 3))


def write_program(path: Path, seed: int = 0) -> None:
    side, other = (torch.export.Dim(name, min=1, max=32) * 32 for name in ("side", "other"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        program = torch.export.export(
            Net(seed).eval(),
            (torch.randn(1, 3, 64, 96),),
            dynamic_shapes=({2: side, 3: other},),
        )
        torch.export.save(program, path)


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two networks and nothing else."""
    monkeypatch.setattr(self_test_photos, "MAX_DRAWINGS_PER_PHOTO", 1)
    monkeypatch.setattr(self_test_photos, "PHOTO_SIZE_PX", (160, 120))
    folder = tmp_path / "networks"
    folder.mkdir()
    for seed, name in enumerate(("damage", "dent")):
        write_program(folder / f"{name}.pt2", seed)
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_networks_named_by_what_they_do_become_a_bundle(networks: Path) -> None:
    options = [word for key, value in FACTS.items() for word in (f"--{key}", value)]
    printed = run("pack", networks, *(o.replace("training_data", "training-data") for o in options))
    assert "2 networks and 4 golden photos" in printed
    bundle = open_bundle(networks)
    manifest = bundle.manifest
    assert [(n.name, n.role, n.weights) for n in manifest.networks] == [
        ("damage", "gate", "damage"),
        ("dent", "segment", "dent"),
    ]
    assert manifest.types == ("dent",)
    assert manifest.weights["dent"].format == "exported_program"
    assert check_golden(Segmenter(bundle)) == 4
    check_finished(bundle)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_the_manifest_says_is_kept_and_the_rest_computed_again(networks: Path) -> None:
    pack(networks, FACTS, 128)
    path = networks / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["metrics"] = {"measured": read_manifest(networks)[0].decisive_digest, "auc": 0.9}
    path.write_text(json.dumps(manifest))
    same = pack(networks, {"version": "1.0.1"}, 256).manifest
    assert same.weights["dent"].input.long_side == 128
    assert same.metrics
    manifest = json.loads(path.read_text())
    manifest["decision"]["threshold"] = 0.3
    path.write_text(json.dumps(manifest))
    edited = pack(networks, {}, 256).manifest
    assert (edited.decision.threshold, edited.licence) == (0.3, "ours")
    assert not edited.metrics  # they were measured with the other threshold
    write_program(networks / "dent.pt2", seed=7)
    for old in (networks / "golden").iterdir():
        old.unlink()
    (networks / "golden/mine.jpg").write_bytes(jpeg(128, 96))
    new = pack(networks, {"version": "1.1.0"}, 128).manifest
    assert [golden.photo for golden in new.golden] == ["golden/mine.jpg"]
    assert new.weights["dent"].sha256 != same.weights["dent"].sha256
    assert not new.metrics


def test_safetensors_need_their_architecture_in_the_manifest(tmp_path: Path) -> None:
    entry = write_weights(tmp_path / "damage.safetensors")
    write_weights(tmp_path / "scratch.safetensors")
    with pytest.raises(
        BundleError, match="weights.damage.*weights.scratch: architecture is required"
    ):
        pack(tmp_path, FACTS, 64)
    known = {k: v for k, v in entry.items() if k not in ("sha256", "bytes")}
    weights = {n: {**known, "file": f"{n}.safetensors"} for n in ("damage", "scratch")}
    (tmp_path / "manifest.json").write_text(json.dumps({"weights": weights}))
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden/mine.jpg").write_bytes(jpeg(128, 96))
    assert check_golden(Segmenter(pack(tmp_path, FACTS, 64))) == 1


def test_all_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no weights \(\.pt2, \.safetensors\)"):
        pack(tmp_path, FACTS, 64)
    (tmp_path / "net.pt2").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"networks in net: name each file .*scratch"):
        pack(tmp_path, FACTS, 64)
    (tmp_path / "net.pt2").rename(tmp_path / "dent.pt2")
    with pytest.raises(BundleError, match=r"version: .*licence: .*training_data: "):
        pack(tmp_path, {"name": "own"}, 64)
    with pytest.raises(BundleError, match="no gate named damage"):
        pack(tmp_path, FACTS, 64)
    assert not (tmp_path / "manifest.json").exists()
