"""The engines tried for a bundle, and their order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from damage_tasks.errors import BundleError
from damage_tasks.vision.segmenter import Segmenter
from damage_tasks.vision.self_test import open_segmenter
from model_store.bundle import Bundle, open_bundle
from model_store.engines import candidates, loading
from tools.small_bundles import write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return open_bundle(write_bundle(tmp_path / "bundle"))


def has(monkeypatch: pytest.MonkeyPatch, *, gpu: bool, torch_for_cuda: bool) -> None:
    """Simulate a machine with or without a GPU, and a torch built for CUDA or for the CPU."""
    monkeypatch.setattr(loading, "has_gpu", lambda: gpu)
    monkeypatch.setattr(loading, "torch_is_for_cuda", lambda: torch_for_cuda)


def test_on_a_gpu_torch_comes_first_and_the_others_follow(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(monkeypatch, gpu=True, torch_for_cuda=True)
    assert candidates(bundle.manifest) == ["torch", "openvino"]


@pytest.mark.parametrize(("gpu", "torch_for_cuda"), [(True, False), (False, True)])
def test_a_gpu_that_torch_cannot_use_changes_nothing(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, gpu: bool, torch_for_cuda: bool
) -> None:
    has(monkeypatch, gpu=gpu, torch_for_cuda=torch_for_cuda)
    assert candidates(bundle.manifest) == ["openvino", "torch"]


def test_a_bundle_that_half_precision_changes_too_much_runs_on_the_cpu(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails_on_torch(segmenter: Segmenter) -> int:
        if segmenter.engine == "torch":
            raise BundleError("golden photo dent.jpg: is clean, not damaged")
        return 1

    has(monkeypatch, gpu=True, torch_for_cuda=True)
    monkeypatch.setattr("damage_tasks.vision.self_test.check_golden", fails_on_torch)
    assert open_segmenter(bundle).engine == "openvino"
    assert "engine torch is not used: golden photo dent.jpg" in caplog.text


@pytest.mark.parametrize(
    ("version", "for_cuda"),
    [
        ("__version__ = '2.13.0+cpu'\ncuda: str | None = None\n", False),
        ("__version__ = '2.13.0'\ncuda: str | None = '13.0'\n", True),  # as on PyPI
        ("__version__ = '2.13.0'\ncuda = None\nhip = '6.4'\n", False),
        (None, False),
    ],
)
def test_what_torch_was_built_for_is_read_and_torch_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None, for_cuda: bool
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text("raise AssertionError('torch is imported')\n")
    if version is not None:
        (tmp_path / "torch/version.py").write_text(version)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert loading.torch_is_for_cuda() is for_cuda


def test_this_torch_says_itself_what_it_was_built_for() -> None:
    import torch

    assert loading.torch_is_for_cuda() is bool(torch.version.cuda)
