"""Starts a training run with the weights of another one, as far as they fit.

Channels are matched by meaning (scratch, dent, vehicle ...) rather than by
index, so a bundle with fewer or different types is useful too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from damage_tasks.storage.aws_clients import new_client
from model_store.fetch import fetch_bundle
from model_store.manifest import Gate, Locator, Manifest, Parent, UnionNetwork
from model_training.data.targets import MASK_CHANNELS, SCORE_CHANNELS, SCREENING
from model_training.fitting.checkpoints import (
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
    under,
)
from model_training.fitting.trainer import new_network
from model_training.fitting.training_loop import LATEST_FILE
from model_training.fitting.training_settings import TrainingSettings

ARCHITECTURE = "efficientnet_lite_unet"
HEADS = ("masks", "scores", "local")

# The head and row that compute a channel: {"mask dent": ("masks", 2), ...}.
Rows = Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Weights to start with: tensors, the network's parameters, and its channels.

    ``parent``: how a manifest names them.  ``facts``: a checkpoint's metadata; a bundle has none.
    """

    name: str
    tensors: Mapping[str, Tensor]
    parameters: Mapping[str, Any]
    rows: Rows
    parent: Parent
    facts: dict[str, Any] | None = None


def write_start(source: str, settings: TrainingSettings, path: Path, cache: Path) -> float:
    """Write a checkpoint of step 0 to ``path``; returns the share of parameters from ``source``.

    ``source`` is a training run's folder, a checkpoint or a bundle (see
    `model_store.fetch`), which the metadata name as the origin; parameters that do not fit are
    initialised as usual.  Raises `CheckpointError` or `BundleError`.
    """
    origin = read_origin(source, cache)
    same_encoder = origin.parameters.get("variant", "lite0") == settings.network["variant"]
    network = new_network(replace(settings, imagenet=settings.imagenet and not same_encoder))
    state = network.state_dict()
    rows = _rows(MASK_CHANNELS, SCORE_CHANNELS, settings.network)
    taken = 0
    for name, own in state.items():
        if name.split(".")[0] in HEADS or (name.startswith("encoder.") and not same_encoder):
            continue
        found = origin.tensors.get(name)
        if found is not None and found.shape == own.shape:
            own.copy_(found)
            taken += own.numel()
    for channel in rows.keys() & origin.rows.keys():
        (head, row), (old_head, old_row) = rows[channel], origin.rows[channel]
        for part in ("weight", "bias"):
            own, found = state[f"{head}.{part}"], origin.tensors[f"{old_head}.{part}"]
            if head == old_head and own.shape[1:] == found.shape[1:]:
                own[row].copy_(found[old_row])
                taken += own[row].numel()
    tensors = {"priority": torch.ones(0)}
    for prefix in ("network", "average"):
        tensors |= {f"{prefix}.{name}": tensor for name, tensor in state.items()}
    lineage = {"trained_from": [origin.parent.model_dump()]}
    facts = {"step": 0, "settings": asdict(settings), "lineage": lineage}
    save_checkpoint(path, tensors, facts)
    return taken / sum(tensor.numel() for tensor in state.values())


def read_origin(source: str, cache: Path) -> Origin:
    """The weights of ``source``: a training run's folder, a checkpoint, or a bundle.

    Raises `CheckpointError` or `BundleError`.
    """
    path = Path(source)
    path = path / LATEST_FILE if (path / LATEST_FILE).is_file() else path
    if path.is_file():
        tensors, facts = load_checkpoint(path)
        parameters = facts["settings"]["network"]
        name = path.parent.name if path.name == LATEST_FILE else path.stem
        parts = ", ".join(facts.get("mean_of", ())) or f"{facts['step']:,} steps"
        name = f"{name} ({parts})"
        rows = _rows(MASK_CHANNELS, SCORE_CHANNELS, parameters)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        parent = Parent(kind="checkpoint", name=name, digest=digest)
        return Origin(name, under("average", tensors), parameters, rows, parent, facts)
    bundle = fetch_bundle(source, cache, new_client)
    name = bundle.manifest.segmenters()[0].weights
    weights = bundle.manifest.weights[name]
    if weights.architecture != ARCHITECTURE:
        raise CheckpointError(
            f"{source}: cannot start with weights {name}, which are not {ARCHITECTURE}"
        )
    masks, scores = _channels(bundle.manifest, name)
    return Origin(
        f"{bundle.manifest.name} {bundle.manifest.version}",
        load_file(bundle.folder / weights.file),
        weights.parameters,
        _rows(masks, scores, weights.parameters),
        Parent(
            kind="bundle",
            name=bundle.manifest.name,
            version=bundle.manifest.version,
            digest=bundle.digest,
        ),
    )


def _channels(manifest: Manifest, weights: str) -> tuple[list[str], list[str]]:
    """The meanings of the mask and score channels of ``weights``; "" for unused channels."""
    parameters = manifest.weights[weights].parameters
    names = {
        "mask": [""] * int(parameters.get("masks", 5)),
        "score": [""] * int(parameters.get("scores", 1)),
    }
    for network in manifest.networks:
        if network.weights != weights:
            continue
        if isinstance(network, Gate):
            name = network.name
        elif isinstance(network, Locator):
            name = "vehicle"
        else:
            name = "any" if isinstance(network, UnionNetwork) else network.type
        names[network.output.kind][network.output.channel] = name
    return names["mask"], names["score"]


def _rows(masks: Any, scores: Any, parameters: Mapping[str, Any]) -> Rows:
    local = int(parameters.get("local", 0))
    rows = {f"mask {name}": ("masks", row) for row, name in enumerate(masks) if name}
    for row, name in enumerate(scores):
        if name and name != SCREENING:  # it is fitted to one network's features
            place = ("local", row) if row < local else ("scores", row - local)
            rows[f"score {name}"] = place
    return rows
