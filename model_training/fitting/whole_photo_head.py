"""The damage score of whole photos: small heads, fitted while everything else is frozen.

Training uses parts of photos and teaches the network where damage is.  Whether a whole photo
shows any is learned afterwards from the network's own features, in minutes, since each photo
is computed once.  Half of the photos are also used in part: undamaged parts of damaged
photos are the hardest negatives, and the only ones from the same source.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from damage_tasks.vision.network_inputs_and_masks import network_input
from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet
from model_store.manifest import Input
from model_training.data.augmentation import close_up
from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.targets import SCREENING
from model_training.fitting.checkpoints import CheckpointError

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Floats = NDArray[np.float32]

HIDDEN_UNITS, ENSEMBLE_HEADS = 48, 3  # heads of 48 units; their mean is a single head of 144
SCREENING_HIDDEN_UNITS = 96  # a small photo needs more
EPOCHS, BATCH_PHOTOS = 14, 64
LEARNING_RATE, WEIGHT_DECAY, DROPOUT_PROBABILITY = 1.5e-3, 0.03, 0.4
PART_EXAMPLE_WEIGHT = 0.7  # of parts of photos, relative to whole photos
MAX_CROP_ATTEMPTS = 60  # attempts to find a suitable random part of a photo
MIN_FEATURE_DEVIATION = 1e-3  # of the features' standard deviation


@dataclass(frozen=True, slots=True)
class Examples:
    """Features (N x D), whether damage is visible (N), and weights (N), in the same order."""

    features: Floats
    damaged: NDArray[np.bool_]
    weights: Floats


def describe_photos(
    network: EfficientNetLiteUNet,
    photos: Sequence[LabelledPhoto],
    side: int,
    console: Console | None = None,
    *,
    seed: int = 7,
    threads: int = 1,
) -> Examples:
    """The head's inputs for ``photos`` at ``side`` px, and for a part of every second one.

    Domains, and damaged and clean photos in each, have equal weight.  The result is the same for
    any number of ``threads``.  Raises `CheckpointError` for a network without a local score.
    """
    if network.local is None:
        raise CheckpointError("a network without a local score cannot judge whole photos")
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def described(numbered: tuple[int, LabelledPhoto]) -> list[_View]:
        number, labelled = numbered
        photo, ids = labelled.read()
        views = [(photo, bool(ids.any()))]
        rng = np.random.default_rng((seed, number))
        if number % 2 == 0 and (part := _part(photo, ids, rng)):
            views.append(part)
        return [
            _View(_describe(network, view, side), seen, labelled.domain, place > 0)
            for place, (view, seen) in enumerate(views)
        ]

    with ThreadPoolExecutor(threads) as pool:
        shown = track(
            pool.map(described, enumerate(photos)),
            "looking",
            total=len(photos),
            console=console,
            disable=console is None,
        )
        views = [view for found in shown for view in found]
    damaged = np.array([view.damaged for view in views])
    domains = [view.domain for view in views]
    parts = np.array([view.is_part for view in views])
    features = np.stack([view.features for view in views])
    return Examples(features, damaged, balanced(damaged, domains, parts))


def balanced(
    damaged: NDArray[np.bool_], domains: Sequence[str], parts: NDArray[np.bool_]
) -> Floats:
    """Weights that balance each domain's damaged and clean views, and reduce those of parts."""
    weights = np.ones(len(damaged), np.float32)
    for domain in sorted(set(domains)):
        for seen in (True, False):
            chosen = (np.array(domains) == domain) & (damaged == seen)
            if chosen.any():
                weights[chosen] = len(damaged) / 4 / chosen.sum()
    return weights * np.where(parts, PART_EXAMPLE_WEIGHT, 1).astype(np.float32)


def fit(examples: Examples, units: int = HIDDEN_UNITS, seed: int = 0) -> dict[str, Tensor]:
    """A head's tensors: the mean of `ENSEMBLE_HEADS` heads of ``units`` with different seeds.

    The features' means and deviations are folded into its first layer.
    """
    mean = examples.features.mean(0)
    spread = examples.features.std(0) + MIN_FEATURE_DEVIATION
    inputs = torch.from_numpy(((examples.features - mean) / spread).clip(-6, 6))
    members = [_fit_one(inputs, examples, units, seed + number) for number in range(ENSEMBLE_HEADS)]
    first = torch.cat([seen.weight for seen, _ in members]) / torch.from_numpy(spread)
    bias = torch.cat([seen.bias for seen, _ in members]) - first @ torch.from_numpy(mean)
    last = torch.cat([judged.weight for _, judged in members], 1) / ENSEMBLE_HEADS
    offset = torch.stack([judged.bias for _, judged in members]).mean(0)
    named = {"0.weight": first, "0.bias": bias, "2.weight": last, "2.bias": offset}
    return {name: tensor.detach() for name, tensor in named.items()}


def with_head(
    tensors: dict[str, Tensor], facts: dict[str, Any], name: str, head: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A checkpoint's averaged weights and metadata with the fitted ``head``.

    ``name``: ``whole_photo``, which replaces the first score, or ``screening``, which adds one.
    """
    network = dict(facts["settings"]["network"])
    if name == SCREENING and not network.get(SCREENING):
        network["scores"] += 1
    network[name] = len(head["0.bias"])
    settings = {**facts["settings"], "network": network}
    fitted = {f"{name}.{part}": tensor for part, tensor in head.items()}
    return {**tensors, **fitted}, {**facts, "settings": settings}


def _fit_one(
    inputs: Tensor, examples: Examples, units: int, seed: int
) -> tuple[nn.Linear, nn.Linear]:
    torch.manual_seed(seed)
    first, last = nn.Linear(inputs.shape[1], units), nn.Linear(units, 1)
    parameters = [*first.parameters(), *last.parameters()]
    optimiser = torch.optim.AdamW(parameters, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    wanted = torch.from_numpy(examples.damaged.astype(np.float32))
    weights = torch.from_numpy(examples.weights)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(inputs)).split(BATCH_PHOTOS):
            hidden = F.relu(first(F.dropout(inputs[chosen], DROPOUT_PROBABILITY)))
            logits = last(F.dropout(hidden, DROPOUT_PROBABILITY))[:, 0]
            loss = F.binary_cross_entropy_with_logits(
                logits, wanted[chosen], weights[chosen], reduction="mean"
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return first, last


class _View(NamedTuple):
    """A view of a photo: the head's inputs (D), and whether it shows damage and is only a part."""

    features: Floats
    damaged: bool
    domain: str
    is_part: bool


@torch.inference_mode()
def _describe(network: EfficientNetLiteUNet, photo: Photo, side: int) -> Floats:
    """The head's inputs (D) for a photo (H x W x 3 uint8, BGR) at ``side`` px."""
    batch = torch.from_numpy(network_input(photo, Input(long_side=side), side))[None]
    levels = network.encoder(batch.to(memory_format=torch.channels_last))
    described = network.describe(levels, network.decode16(levels))[0]
    return np.asarray(described.numpy(), np.float32)


def _part(photo: Photo, ids: Mask, rng: np.random.Generator) -> tuple[Photo, bool] | None:
    """A part of a photo and whether it shows damage; undamaged if such a part is found."""
    if not ids.any():
        return close_up(photo, rng), False
    height, width = ids.shape
    edge = (int(height * 0.03), int(width * 0.03))
    spots = np.argwhere(ids)
    for wants_damage in (False, True):
        for _ in range(MAX_CROP_ATTEMPTS):
            share = rng.uniform(0.3, 0.65)
            h, w = int(height * share), int(width * share)
            y, x = int(rng.uniform(0, height - h)), int(rng.uniform(0, width - w))
            if wants_damage:
                spot = spots[int(rng.integers(len(spots)))] - rng.uniform(0.2, 0.8, 2) * (h, w)
                y, x = (int(v) for v in np.clip(spot, 0, (height - h, width - w)))
                right = bool((ids[y : y + h, x : x + w] > 0).mean() >= 0.01)
            else:
                top, left = max(0, y - edge[0]), max(0, x - edge[1])
                right = not ids[top : y + h + edge[0], left : x + w + edge[1]].any()
            if right and h and w:
                return np.ascontiguousarray(photo[y : y + h, x : x + w]), wants_damage
    return None
