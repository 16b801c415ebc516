"""Small bundles for tests: real networks with random weights."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from model_store.architectures import build

PARAMETERS = {"masks": 2, "scores": 1, "variant": "lite0", "decoder": [16, 16, 16]}


def write_bundle(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A bundle with a gate and two segmenters that share one weights file.

    ``changes`` replace keys of the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = write_weights(folder / "weights.safetensors", seed)
    manifest = {
        "schema": 1,
        "name": "tiny",
        "version": "1.0.0",
        "created": "2026-11-22T12:00:00Z",
        "licence": "none: random weights",
        "training_data": "none",
        "types": ["scratch", "dent"],
        "weights": {"trunk": weights},
        "networks": [gate(), segmenter("scratch", 0), segmenter("dent", 1)],
        "decision": {"gate": "damage", "threshold": 0.0},
        **changes,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def write_weights(path: Path, seed: int = 0, parameters: Any = None) -> dict[str, Any]:
    """Write random weights to a file and return their entry for a manifest."""
    parameters = parameters or PARAMETERS
    weights = _random_weights(seed, json.dumps(parameters))
    path.write_bytes(weights)
    return {
        "file": path.name,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "bytes": len(weights),
        "architecture": "efficientnet_lite_unet",
        "parameters": parameters,
        "input": {"long_side": 64},
    }


@lru_cache(maxsize=4)
def _random_weights(seed: int, parameters: str) -> bytes:
    """A safetensors file; ``parameters`` are those of the network as JSON."""
    torch.manual_seed(seed)
    return save(build("efficientnet_lite_unet", json.loads(parameters)).state_dict())


def gate(name: str = "damage", weights: str = "trunk", **changes: Any) -> dict[str, Any]:
    """A gate that lets every photo pass."""
    return {
        "name": name,
        "role": "gate",
        "weights": weights,
        "output": {"kind": "score", "channel": 0},
        "threshold": 0.0,
        "ends_with": "clean",
        **changes,
    }


def segmenter(type: str, channel: int, weights: str = "trunk", **changes: Any) -> dict[str, Any]:
    """A segmenter that claims every pixel."""
    return {
        "name": type,
        "role": "segment",
        "type": type,
        "weights": weights,
        "output": {"kind": "mask", "channel": channel},
        "policy": {"threshold": 0.0},
        **changes,
    }


def change_manifest(folder: Path, **changes: Any) -> None:
    """Replace keys of the manifest in ``folder``."""
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
