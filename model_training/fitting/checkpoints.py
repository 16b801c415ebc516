"""Checkpoints: everything needed to continue a training run, in one safetensors file.

No pickle: tensors are stored unchanged, and the few plain values as JSON in the
file's metadata.  The file is written next to its target and renamed, so a training run that
is interrupted while writing keeps its last checkpoint.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from damage_tasks.errors import DamageTaskError


class CheckpointError(DamageTaskError):
    """Raised when a checkpoint cannot be read; the message names the file."""

    code = "checkpoint_invalid"
    default_text = "the checkpoint cannot be used"


def save_checkpoint(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write ``tensors`` and the JSON values ``facts`` to ``path``, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(plain, beside, metadata={"facts": json.dumps(facts)})
    beside.replace(path)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The contents of a file written by `save_checkpoint`.  Raises `CheckpointError`."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            facts = json.loads((file.metadata() or {})["facts"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: not a training checkpoint: {error}") from None
    return tensors, facts


def optimiser_tensors(
    optimiser: torch.optim.Optimizer, names: dict[Tensor, str]
) -> dict[str, Tensor]:
    """The optimiser's tensors by ``state.KEY.PARAMETER``."""
    return {
        f"{key}.{names[parameter]}": torch.as_tensor(value)
        for parameter, state in optimiser.state.items()
        for key, value in state.items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer, names: dict[Tensor, str], tensors: dict[str, Tensor]
) -> None:
    """The reverse of `optimiser_tensors`."""
    for parameter, name in names.items():
        if f"step.{name}" not in tensors:
            continue
        state = {"step": tensors[f"step.{name}"].clone().to(parameter.device)}
        for key in ("exp_avg", "exp_avg_sq"):
            # Fused steps need the moments in the same memory layout as the parameter.
            state[key] = torch.empty_like(parameter).copy_(tensors[f"{key}.{name}"])
        optimiser.state[parameter] = state


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose name begins with ``prefix.``, with the prefix removed."""
    start = prefix + "."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
