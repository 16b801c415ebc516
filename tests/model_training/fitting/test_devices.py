from __future__ import annotations

import pytest
import torch

from model_training.fitting.devices import (
    DeviceUnavailable,
    autocast,
    choose_device,
    choose_loader_workers,
    choose_precision,
)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_a_gpu_is_taken_where_there_is_one(gpu: None) -> None:
    assert choose_device("auto") == choose_device("cuda") == "cuda"
    assert choose_device("cpu") == "cpu"
    assert choose_loader_workers("cuda") >= 1


def test_without_a_gpu_the_cpu_trains_in_fp32(no_gpu: None) -> None:
    device = choose_device("auto")
    assert (device, choose_precision(device), choose_loader_workers(device)) == ("cpu", "fp32", 0)
    with pytest.raises(DeviceUnavailable, match="--device cuda: .* finds no GPU"):
        choose_device("cuda")


@pytest.mark.parametrize(("bf16", "precision"), [(True, "bf16"), (False, "fp16")])
def test_gpus_compute_in_the_half_precision_that_they_have(
    bf16: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: bf16)
    assert choose_precision("cuda") == precision


def test_convolutions_inside_the_block_use_fewer_bits() -> None:
    photo, layer = torch.randn(1, 3, 8, 8), torch.nn.Conv2d(3, 2, 3)
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with autocast("cpu", precision):  # type: ignore[arg-type]
            assert layer(photo).dtype == dtype
