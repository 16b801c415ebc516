"""The mean of several training runs, which generalises better than each of them.

The networks must have the same start (Wortsman et al., arXiv:2203.05482).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model_training.data.targets import SCORE_CHANNELS, SCREENING
from model_training.fitting.checkpoints import CheckpointError, save_checkpoint
from model_training.fitting.warm_start import Origin, read_origin

WHOLE_PHOTO = "whole_photo"  # parameter and head
FITTED = (WHOLE_PHOTO, SCREENING)


def mean_of(sources: Sequence[str], cache: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The mean of the weights of ``sources``, and the metadata of the last training among them.

    Sources are folders of training runs, checkpoints and bundles (see
    `model_store.fetch`); one given twice counts twice.  Raises `CheckpointError`
    if their networks differ or all are bundles, and
    `BundleError`.  A score that `fit-score` fitted is left out: fit it again to the mean.
    """
    origins = {source: read_origin(source, cache) for source in sources}
    trained = [origin for origin in origins.values() if origin.facts]
    if not trained:
        raise CheckpointError(f"{', '.join(sources)}: only bundles; give at least one training")
    last = trained[-1]
    for source, origin in origins.items():
        if _shapes(origin) != _shapes(last) or origin.rows != last.rows:
            raise CheckpointError(f"{source} has a different network from {last.name}")
    every = [origins[source] for source in sources]
    mean = {
        name: torch.stack([origin.tensors[name].double() for origin in every]).mean(0).float()
        if tensor.dtype.is_floating_point
        else tensor
        for name, tensor in _without_score(last.tensors)
    }
    named = [f"{sources.count(source)} x {origin.name}" for source, origin in origins.items()]
    facts = last.facts or {}
    network = {k: v for k, v in facts["settings"]["network"].items() if k not in FITTED}
    network["scores"] = len(SCORE_CHANNELS)
    settings = {**facts["settings"], "network": network}
    lineage: dict[str, Any] = {
        "trained_from": [origin.parent.model_dump() for origin in origins.values()]
    }
    data = [(origin.facts or {}).get("lineage", {}).get("training_data") for origin in trained]
    if data[0] is not None and all(found == data[0] for found in data):
        lineage["training_data"] = data[0]
    return mean, {**facts, "settings": settings, "mean_of": named, "lineage": lineage}


def save(tensors: dict[str, Tensor], facts: dict[str, Any], out: Path) -> None:
    """Write a checkpoint for `export`, or as the start of a training run."""
    save_checkpoint(out, {f"average.{name}": value for name, value in tensors.items()}, facts)


def _shapes(origin: Origin) -> dict[str, torch.Size]:
    tensors = _without_score(origin.tensors)
    return {name: tensor.shape for name, tensor in tensors if tensor.dtype.is_floating_point}


def _without_score(tensors: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """All but the heads that `whole_photo_head` fits: they belong to one network's features."""
    return [(n, t) for n, t in tensors.items() if n.split(".")[0] not in FITTED]
