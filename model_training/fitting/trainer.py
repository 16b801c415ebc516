"""The state of a training run and one step of it.

Exports use the exponential moving average of the
weights (Polyak & Juditsky, 1992).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from model_store.architectures.efficientnet_lite_encoder import InvertedResidual
from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet
from model_training.data.photo_pool import PhotoPool
from model_training.data.targets import Batch
from model_training.data.vehicle_masks import IMAGENET_MEAN, IMAGENET_STD, load_imagenet_encoder
from model_training.fitting.checkpoints import (
    load_checkpoint,
    optimiser_tensors,
    restore_optimiser,
    save_checkpoint,
    under,
)
from model_training.fitting.devices import autocast
from model_training.fitting.losses import damage_loss, evidence, local_loss
from model_training.fitting.moving_average import follow
from model_training.fitting.training_settings import TrainingSettings, learning_rate


class Trainer:
    """The state of a training run: network, its average, optimiser, step, priorities."""

    def __init__(self, pool: PhotoPool, settings: TrainingSettings, rank: int = 0) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.pool, self.step, self.rank = settings, pool, 0, rank
        self.facts: dict[str, Any] = {}  # more metadata for checkpoints
        self.network = new_network(settings)
        self.network.to(settings.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.frozen = _first_blocks(self.network, settings.frozen_blocks)
        for module in self.frozen:
            module.requires_grad_(False)
        for block in (self.network.up16, self.network.up8):
            block.register_forward_hook(self._drop)
        self.average = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.names: dict[Tensor, str] = {p: name for name, p in self.network.named_parameters()}
        self.optimiser = torch.optim.AdamW(
            _groups(self.network, settings), lr=settings.learning_rate, fused=True
        )
        # Gradients of half precision would vanish without it.
        self.scaler = torch.amp.GradScaler(settings.device, enabled=settings.precision == "fp16")
        self.mean = torch.from_numpy(IMAGENET_MEAN * 255).view(1, 3, 1, 1).to(settings.device)
        self.std = torch.from_numpy(IMAGENET_STD * 255).view(1, 3, 1, 1).to(settings.device)

    def train_step(self, batch: Batch) -> dict[str, float]:
        """Do one step on ``batch``; returns the loss and its parts."""
        settings = self.settings
        rate = learning_rate(self.step, settings)
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * rate * group["share"]
        # Drop path must be the same after a resume.
        torch.manual_seed((settings.seed * 1_000_003 + self.step) * 97 + self.rank)
        self.network.train()
        for module in self.frozen:
            module.eval()
        views, target, weight, score, score_weight = (
            tensor.to(settings.device, non_blocking=True) for tensor in batch[:5]
        )
        views = (views.float() - self.mean) / self.std
        cells = None
        with autocast(settings.device, settings.precision):
            features, scores = self.network.encode(
                views.contiguous(memory_format=torch.channels_last)
            )
            masks = self.network.decode(features)
            if self.network.local is not None:
                cells = self.network.local(features.decoded16)[:, :1].float()
        masks, scores = masks.float(), scores.float()
        loss, parts = damage_loss(masks, scores, target, weight, score, score_weight, settings.loss)
        if cells is not None:
            parts["local"] = local_loss(cells, target[:, :1], weight[:, :1])
            loss = loss + settings.loss.local * parts["local"]
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self._share()
        self.scaler.unscale_(self.optimiser)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip)
        if self.scaler.is_enabled() or torch.isfinite(norm):
            self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        follow(self.average, self.network, self.step, self.settings.ema_decay)
        self.prefer_false_alarms(batch, masks, scores)
        return {
            "loss": float(loss.detach()),
            **{name: float(part.detach()) for name, part in parts.items()},
        }

    def averaged(self) -> EfficientNetLiteUNet:
        """A network with the averaged weights, in inference mode."""
        network = new_network(replace(self.settings, imagenet=False))
        network.load_state_dict(self.average)
        return network.eval()

    def save(self, path: Path) -> None:
        """Write everything that `load` needs."""
        tensors: dict[str, Tensor] = {"priority": self.pool.priority}
        for prefix, state in (
            ("network", self.network.state_dict()),
            ("average", self.average),
            ("optimiser", optimiser_tensors(self.optimiser, self.names)),
        ):
            tensors |= {f"{prefix}.{name}": tensor for name, tensor in state.items()}
        facts = {"step": self.step, "settings": asdict(self.settings), **self.facts}
        save_checkpoint(path, tensors, facts)

    def load(self, path: Path) -> None:
        """Continue from a file written by `save`.  Raises `CheckpointError`."""
        tensors, facts = load_checkpoint(path)
        self.network.load_state_dict(under("network", tensors))
        self.average = {
            name: tensor.to(self.settings.device)
            for name, tensor in under("average", tensors).items()
        }
        restore_optimiser(self.optimiser, self.names, under("optimiser", tensors))
        if tensors["priority"].shape == self.pool.priority.shape:
            self.pool.priority.copy_(tensors["priority"])
        self.step = int(facts["step"])

    def _drop(self, block: nn.Module, _: Any, found: Tensor) -> Tensor:
        return F.dropout2d(found, self.settings.dropout, block.training)

    @torch.no_grad()
    def _share(self) -> None:
        """Average gradients and running statistics over the processes."""
        if self.settings.processes < 2:
            return
        shared = [p.grad for p in self.network.parameters() if p.grad is not None]
        shared += [b for b in self.network.buffers() if b.dtype.is_floating_point]
        flat = torch.cat([tensor.flatten() for tensor in shared])
        dist.all_reduce(flat)
        flat /= self.settings.processes
        begin = 0
        for tensor in shared:
            tensor.copy_(flat[begin : begin + tensor.numel()].view_as(tensor))
            begin += tensor.numel()

    @torch.no_grad()
    def prefer_false_alarms(self, batch: Batch, masks: Tensor, scores: Tensor) -> None:
        """Draw clean photos that look damaged up to six times as often."""
        suspicion = torch.maximum(evidence(masks), scores[:, 0].sigmoid()).cpu()
        for index, clean, value in zip(batch.photos, batch.clean, suspicion, strict=True):
            if clean:
                old = self.pool.priority[index]
                self.pool.priority[index] = 0.7 * old + 0.3 * (0.5 + 5.5 * float(value))


def new_network(settings: TrainingSettings) -> EfficientNetLiteUNet:
    """The network of ``settings``, with an ImageNet encoder if configured."""
    network = EfficientNetLiteUNet(**settings.network)
    if settings.imagenet:
        load_imagenet_encoder(network.encoder, settings.network["variant"])
    blocks = [m for m in network.modules() if isinstance(m, InvertedResidual)]
    for number, block in enumerate(blocks):
        block.drop_path = settings.drop_path * number / len(blocks)
    return network


def _first_blocks(network: EfficientNetLiteUNet, count: int) -> list[nn.Module]:
    """The stem and the first ``count`` blocks; three blocks take a quarter of a step's time."""
    encoder = network.encoder
    if not count:
        return []
    return [encoder._conv_stem, encoder._bn0, *encoder._blocks[:count]]


def _groups(network: nn.Module, settings: TrainingSettings) -> list[dict[str, Any]]:
    """Encoder and the rest with their rates; no weight decay for norms and biases."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        key = (name.startswith("encoder."), parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "share": settings.encoder_rate if encoder else 1.0,
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for (encoder, decays), parameters in groups.items()
    ]
