"""The device and precision of a training run: the CPU, or a GPU in reduced precision."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from damage_tasks.errors import DamageTaskError

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
MAX_LOADER_WORKERS = 16


class DeviceUnavailable(DamageTaskError):
    """Raised when a training run is requested on a device that does not exist."""

    code = "device_unavailable"
    default_text = "the device is not available on this machine"


def choose_device(name: Literal["auto", "cpu", "cuda"]) -> str:
    """``cpu`` or ``cuda``; ``auto`` is ``cuda`` if there is a GPU that torch can use.

    Raises `DeviceUnavailable`.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise DeviceUnavailable(
            f"--device cuda: torch {torch.__version__} finds no GPU; install a build of torch "
            "for CUDA and its driver, or train with --device cpu"
        )
    return "cuda" if name != "cpu" and available else "cpu"


def choose_precision(device: str) -> Precision:
    """bf16 on GPUs that have it, fp16 on older ones; fp32 on CPUs, where bf16 is slower."""
    if device == "cpu":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def choose_loader_workers(device: str) -> int:
    """Number of processes that prepare views: none on a CPU, otherwise one per core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 0 if device == "cpu" else max(1, min(MAX_LOADER_WORKERS, (cores or 1) - 1))


def autocast(device: str, precision: Precision) -> AbstractContextManager[object]:
    """Compute in ``precision`` inside the block."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device, DTYPES[precision])
