"""Trains the network that finds plates: one mask, learned on drawn plates.

Plates that stand on the photos without a label would count as background.  Once the network has
learned the drawn ones, background that it takes for a plate is therefore ignored, unless a label
says that there is none.  The encoder keeps the weights that it starts with, so it sees each view
only once, and the decoder learns from the features of recent views several times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_store.architectures.efficientnet_lite_encoder import Levels
from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet, Features
from model_training.data.vehicle_masks import IMAGENET_MEAN, IMAGENET_STD, load_imagenet_encoder
from model_training.fitting.checkpoints import (
    CheckpointError,
    load_checkpoint,
    optimiser_tensors,
    restore_optimiser,
    save_checkpoint,
    under,
)
from model_training.fitting.denormals import flushed_denormals
from model_training.fitting.losses import soft_dice
from model_training.fitting.moving_average import follow
from model_training.fitting.plate_views import PlateViews
from model_training.synthetic.plates_in_photos import BACKGROUND, PLATE

LATEST_FILE = "plates.safetensors"
IGNORED_FROM = 0.7  # probability from which unlabelled background may be a plate


@dataclass(frozen=True, slots=True)
class PlateTrainingSettings:
    """All settings that determine the result of a training run, apart from the photos."""

    steps: int = 4_000
    warm_up_steps: int = 60
    trusting_steps: int = 1_500  # in which all unlabelled background counts
    batch: int = 8
    learning_rate: float = 1.2e-3
    weight_decay: float = 0.05
    ema_decay: float = 0.995
    replays: int = 3  # steps for each new batch of views
    memory: int = 40  # batches of views whose features are kept
    clip: float = 2.0
    seed: int = 0
    network: dict[str, Any] = field(
        default_factory=lambda: {
            "masks": 1,
            "scores": 1,
            "variant": "lite0",
            "decoder": [128, 64, 48],
            "context": True,
        }
    )
    checkpoint_every: int = 50


class PlateTrainer:
    """The state of a training run: network, its average, optimiser, step."""

    def __init__(self, settings: PlateTrainingSettings, start: dict[str, Tensor]) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.step = settings, 0
        self._memory: dict[int, tuple[Levels, Tensor]] = {}
        self.network = EfficientNetLiteUNet(**settings.network)
        if start:
            _copy_fitting(self.network, start)
        else:
            load_imagenet_encoder(self.network.encoder, settings.network["variant"])
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for module in (self.network.encoder, self.network.scores):
            module.requires_grad_(False)
        self.average = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.names: dict[Tensor, str] = {
            p: name for name, p in self.network.named_parameters() if p.requires_grad
        }
        self.optimiser = torch.optim.AdamW(self._groups(), lr=settings.learning_rate)
        self.mean = torch.from_numpy(IMAGENET_MEAN * 255).view(1, 3, 1, 1)
        self.std = torch.from_numpy(IMAGENET_STD * 255).view(1, 3, 1, 1)

    def train_step(self, views: PlateViews) -> float:
        """Do one step on features of recent ``views``; returns the loss."""
        rate = _rate(self.step, self.settings)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * rate
        self.network.train()
        levels, labels = self._remembered(views)
        decoded16 = self.network.decode16(levels)
        logits = self.network.decode(Features(levels.stride4, levels.stride8, decoded16))
        loss = plate_loss(logits, labels, trusting=self.step < self.settings.trusting_steps)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(list(self.names), self.settings.clip)
        self.optimiser.step()
        self.step += 1
        follow(self.average, self.network, self.step, self.settings.ema_decay)
        return float(loss.detach())

    def _remembered(self, views: PlateViews) -> tuple[Levels, Tensor]:
        """The encoder's features of a recent batch, and its labels; the same after a resume."""
        newest = self.step // self.settings.replays
        oldest = max(0, newest - self.settings.memory + 1)
        rng = np.random.default_rng((self.settings.seed, self.step))
        # A new batch is used at once.
        is_new = self.step % self.settings.replays == 0
        number = newest if is_new else int(rng.integers(oldest, newest + 1))
        if number not in self._memory:
            pixels, labels = views.at(number)
            self._memory[number] = self._encoded(pixels), labels
        for old in [number for number in self._memory if number < oldest]:
            del self._memory[old]
        return self._memory[number]

    @torch.no_grad()
    def _encoded(self, pixels: Tensor) -> Levels:
        photo = (pixels.float() - self.mean) / self.std
        self.network.encoder.eval()
        levels: Levels = self.network.encoder(photo.contiguous(memory_format=torch.channels_last))
        return levels

    def averaged(self) -> EfficientNetLiteUNet:
        """A network with the averaged weights, in inference mode."""
        network = EfficientNetLiteUNet(**self.settings.network)
        network.load_state_dict(self.average)
        return network.eval()

    def save(self, path: Path) -> None:
        """Write everything that `load` needs."""
        tensors: dict[str, Tensor] = {}
        for prefix, state in (
            ("network", self.network.state_dict()),
            ("average", self.average),
            ("optimiser", optimiser_tensors(self.optimiser, self.names)),
        ):
            tensors |= {f"{prefix}.{name}": tensor for name, tensor in state.items()}
        save_checkpoint(path, tensors, {"step": self.step, "settings": asdict(self.settings)})

    def load(self, path: Path) -> None:
        """Continue from a file written by `save`.  Raises `CheckpointError`."""
        tensors, facts = load_checkpoint(path)
        if facts.get("settings", {}).get("network") != self.settings.network:
            raise CheckpointError(f"{path}: a training of a different network; choose another run")
        self.network.load_state_dict(under("network", tensors))
        self.average = under("average", tensors)
        restore_optimiser(self.optimiser, self.names, under("optimiser", tensors))
        self.step = int(facts["step"])

    def _groups(self) -> list[dict[str, Any]]:
        return [
            {
                "params": [p for p in self.names if (p.ndim > 1) is decays],
                "weight_decay": self.settings.weight_decay if decays else 0.0,
            }
            for decays in (True, False)
        ]


def plate_loss(logits: Tensor, labels: Tensor, *, trusting: bool) -> Tensor:
    """Cross-entropy and Dice of mask ``logits`` (N x 1 x h x w) for ``labels`` (N x H x W uint8).

    Unless ``trusting``, background that looks like a plate and has no label is ignored.
    """
    size = (logits.shape[2], logits.shape[3])
    plate = F.adaptive_avg_pool2d((labels == PLATE).float()[:, None], size)
    weight = torch.ones_like(plate)
    if not trusting:
        sure = F.adaptive_max_pool2d((labels == BACKGROUND).float()[:, None], size)
        suspected = (logits.detach().sigmoid() > IGNORED_FROM) & (plate == 0) & (sure == 0)
        weight = weight.masked_fill(suspected, 0.0)
    entropy = F.binary_cross_entropy_with_logits(logits, plate, weight=weight)
    dice = soft_dice(logits.sigmoid(), plate, weight, logits.new_tensor([30.0])).sum()
    return 4 * entropy + dice


def train_plates(
    views: PlateViews,
    run: Path,
    settings: PlateTrainingSettings,
    start: dict[str, Tensor],
    report: Callable[[int, float], None],
) -> Path:
    """Train, or continue the training in ``run``; returns the checkpoint's path.

    ``start``: tensors of another network, copied where they fit; ImageNet weights if empty.
    ``report`` receives the step and the mean loss at every checkpoint.  Raises `CheckpointError`.
    """
    trainer = PlateTrainer(settings, start)
    latest = run / LATEST_FILE
    if latest.exists():
        trainer.load(latest)
    losses: list[float] = []
    with flushed_denormals():
        while trainer.step < settings.steps:
            losses.append(trainer.train_step(views))
            if trainer.step % settings.checkpoint_every == 0 or trainer.step == settings.steps:
                trainer.save(latest)
                report(trainer.step, sum(losses) / len(losses))
                losses.clear()
    return latest


def _copy_fitting(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    state = network.state_dict()
    for name, own in state.items():
        found = tensors.get(name)
        if found is not None and found.shape == own.shape and not name.startswith("masks."):
            own.copy_(found)


def _rate(step: int, settings: PlateTrainingSettings) -> float:
    """Warm-up, then a cosine decay to a twentieth."""
    if step < settings.warm_up_steps:
        return (step + 1) / settings.warm_up_steps
    done = (step - settings.warm_up_steps) / max(1, settings.steps - settings.warm_up_steps)
    return 0.05 + 0.95 * (1 + math.cos(math.pi * min(1.0, done))) / 2
