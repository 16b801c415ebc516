"""The settings of a training run, and its learning rate.

Warm-up, a constant learning rate, then a cosine decay at the end (Hu et al.,
arXiv:2404.06395).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from model_training.data.augmentation import ViewSettings
from model_training.data.targets import MASK_CHANNELS, SCORE_CHANNELS
from model_training.fitting.devices import Precision
from model_training.fitting.losses import LossWeights
from model_training.fitting.sampling import SampleMix


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """All settings that determine the result of a training run, apart from the photos."""

    steps: int = 20_000
    decay_steps: int = 4_000
    warm_up_steps: int = 300
    batch: int = 16
    learning_rate: float = 1.6e-3
    encoder_rate: float = 0.25  # the encoder's share of the learning rate
    weight_decay: float = 0.05
    ema_decay: float = 0.999
    drop_path: float = 0.2
    dropout: float = 0.1  # share of the decoder's channels at strides 16 and 8 left out
    frozen_blocks: int = 0  # number of first encoder blocks that, with the stem, are not trained
    clip: float = 2.0
    seed: int = 0
    imagenet: bool = True
    network: dict[str, Any] = field(
        default_factory=lambda: {
            "masks": len(MASK_CHANNELS),
            "scores": len(SCORE_CHANNELS),
            "variant": "lite0",
            "decoder": [128, 64, 48],
            "depth": 1,
            "context": True,
            "score_strides": [16, 32],
            "local": 1,
        }
    )
    mix: SampleMix = SampleMix()
    views: ViewSettings = ViewSettings()
    loss: LossWeights = LossWeights()
    checkpoint_every: int = 300
    monitor_every: int = 2_000
    processes: int = 2  # on a CPU; a GPU has one
    device: str = "cpu"
    precision: Precision = "fp32"  # of the forward pass; weights and losses are fp32
    loader_workers: int = 0  # processes that prepare views ahead of time


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """The learning rate at ``step`` relative to its peak: warm-up, constant, cosine decay."""
    warm = min(1.0, (step + 1) / max(1, settings.warm_up_steps))
    left = settings.steps - step
    if left >= settings.decay_steps:
        return warm
    done = 1 - left / max(1, settings.decay_steps)
    return warm * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
