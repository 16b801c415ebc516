"""After the training: the mean of several runs, and rare damage's output fitted anew.

The mean of networks that began alike generalises better than each of them (Wortsman
et al., arXiv:2203.05482).  A gap between panels covers one pixel in a thousand: beside
the other outputs its own learned next to nothing in 6,200 steps (IoU 0), although the
features show it.  Fitted alone, with as much weight on what is near a gap as on all
the rest, it finds some (0.19 on clean photos with an opened border, 0.58 on drawn cars).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet
from model_store.recipe.checkpoints import CheckpointError, load_checkpoint, save_checkpoint, under
from model_store.recipe.labels import Batch
from model_store.recipe.sampling import Mix, Samples
from model_store.recipe.vehicles import MEAN, STD
from model_store.recipe.views import ViewSettings

# Mostly drawn gaps, and enough of everything that must not be taken for one.
MIX = Mix(damaged=0.15, clean_close=0.1, clean_whole=0.05, background=0.02, drawn=0.45,
          drawn_cars=0.23, drawn_spacing=0.9, transplanted=0.0, pasted=0.1)  # fmt: skip
VIEWS = ViewSettings(long_side=480, smallest=0.7, largest=1.4)
NEAR = 4  # cells of the mask output around a gap, all of which are looked at
KEPT = {"damage": 0.5, "rest": 0.06}  # shares of the other cells; they count for the others too
STEPS, CELLS, RATE, POSITIVE = 500, 40_000, 2e-2, 6.0


class Cells(NamedTuple):
    """``features`` (N x C), and of one output ``target`` (N, 0 to 1) and ``weight`` (N)."""

    features: Tensor
    target: Tensor
    weight: Tensor


def mean_of(checkpoints: Sequence[Path]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The mean of the averaged weights of ``checkpoints``, and the facts of the last one.

    Raises `CheckpointError` where they are not of the same network.
    """
    found: dict[str, Tensor] = {}
    network: dict[str, Any] | None = None
    facts: dict[str, Any] = {}
    for path in checkpoints:
        tensors, facts = load_checkpoint(path)
        if network not in (None, facts["settings"]["network"]):
            raise CheckpointError(f"{path} is of another network than {checkpoints[0]}")
        network = facts["settings"]["network"]
        for name, tensor in under("average", tensors).items():
            share = tensor.double() / len(checkpoints)
            found[name] = found[name] + share if name in found else share
    return {name: tensor.float() for name, tensor in found.items()}, facts


def refit(
    tensors: dict[str, Tensor],
    facts: dict[str, Any],
    samples: Samples,
    channel: int,
    batches: int = 80,
    console: Console | None = None,
) -> float:
    """Fit mask output ``channel`` of what `mean_of` gave anew, in place, on ``batches`` batches.

    Gives the IoU on cells that were held back.
    """
    network = EfficientNetLiteUNet(**facts["settings"]["network"])
    network.load_state_dict(tensors)
    weight, bias, overlap = fit(gather(network.eval(), samples, channel, batches, console))
    tensors["masks.weight"][channel] = weight[:, None, None]
    tensors["masks.bias"][channel] = bias
    return overlap


def save(tensors: dict[str, Tensor], facts: dict[str, Any], out: Path) -> None:
    """Write a checkpoint for `export`; a training cannot go on from it."""
    save_checkpoint(out, {f"average.{name}": value for name, value in tensors.items()}, facts)


@torch.inference_mode()
def gather(
    network: EfficientNetLiteUNet,
    samples: Samples,
    channel: int,
    batches: int,
    console: Console | None = None,
) -> Cells:
    """What the mask outputs of ``network`` see of ``samples``, and what ``channel`` should say."""
    seen: list[Tensor] = []
    hook = network.masks.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    mean, std = (torch.from_numpy(v * 255).view(1, 3, 1, 1) for v in (MEAN, STD))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = []
    numbers = range(batches)
    for number in track(numbers, "features", console=console, disable=console is None):
        batch = samples.at(number)
        torch.manual_seed(number)  # which cells are kept must not change between runs
        network((batch.views.float() - mean) / std)
        found.append(_chosen(seen.pop(), batch, channel))
    hook.remove()
    return Cells(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def fit(cells: Cells, seed: int = 0) -> tuple[Tensor, Tensor, float]:
    """Weights (C), bias and held-back IoU of the logistic output that tells ``cells`` apart.

    Not `logistic_fit`: overlap is what counts, so Dice is part of the loss.
    """
    torch.manual_seed(seed)
    learned = torch.rand(len(cells.target)) < 6 / 7
    centre, spread = cells.features.mean(0), cells.features.std(0) + 1e-3
    features = (cells.features - centre) / spread
    output = nn.Linear(features.shape[1], 1)
    optimiser = torch.optim.Adam(output.parameters(), lr=RATE)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    rows = learned.nonzero()[:, 0]
    with torch.enable_grad():
        for _ in range(STEPS):
            chosen = rows[torch.randint(0, len(rows), (CELLS,))]
            target, weight = cells.target[chosen], cells.weight[chosen]
            loss = _loss(output(features[chosen])[:, 0], target, weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            decay.step()
    with torch.no_grad():
        said = output(features[~learned])[:, 0].sigmoid()
        overlap = _best_overlap(said, cells.target[~learned] > 0.5, cells.weight[~learned])
        weight = output.weight[0] / spread
        bias = output.bias[0] - (weight * centre).sum()
    return weight, bias, overlap


def _chosen(features: Tensor, batch: Batch, channel: int) -> Cells:
    target = batch.target[:, channel].reshape(-1)
    gap = (batch.target[:, channel : channel + 1] > 0).float()
    near = F.max_pool2d(gap, 2 * NEAR + 1, 1, NEAR).reshape(-1) > 0
    damage = (batch.target[:, 0].reshape(-1) > 0.2) & ~near
    share = torch.where(near, 1.0, torch.where(damage, KEPT["damage"], KEPT["rest"]))
    kept = torch.rand(len(target)) < share
    weight = batch.weight[:, channel].reshape(-1) / share
    flat = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
    return Cells(flat[kept].clone(), target[kept].clone(), weight[kept].clone())


def _loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    counted = weight * (1 + (POSITIVE - 1) * target)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    said = logits.sigmoid() * weight
    dice = 1 - 2 * (said * target).sum() / (said.sum() + (target * weight).sum() + 1e-6)
    return (entropy * counted).sum() / counted.sum() + dice


def _best_overlap(said: Tensor, truth: Tensor, weight: Tensor) -> float:
    found = []
    for threshold in torch.linspace(0.1, 0.9, 17):
        mask = said >= threshold
        either = (weight * (mask | truth)).sum().clamp(min=1e-6)
        found.append(float((weight * (mask & truth)).sum() / either))
    return max(found)
