"""The block plan of the EfficientNet-Lite encoder, shared by all engines.

Tan & Le, arXiv:1905.11946; the Lite variants:
github.com/tensorflow/tpu, models/official/efficientnet/lite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# repeats, kernel, stride, expansion, channels out (EfficientNet-B0, table 1 of the paper)
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
FEATURE_STAGES = (
    1,
    2,
    4,
    5,
)  # stages whose last blocks yield the features at strides 4, 8, 16 and 32
# width and depth multipliers of the Lite variants
VARIANTS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
STEM_CHANNELS = 32
BATCH_NORM_EPSILON = 1e-3  # of the encoder's batch norms
# Share of strongest stride-16 cells over which a local score is averaged.
LOCAL_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Block:
    """An inverted residual block; the decoder receives the features of every ``tap``."""

    channels: int
    out: int
    kernel: int
    stride: int
    expansion: int
    tap: bool

    @property
    def residual(self) -> bool:
        """Whether the block's input is added to its output."""
        return self.stride == 1 and self.channels == self.out


def block_plan(variant: str) -> tuple[Block, ...]:
    """The encoder's blocks in order: every stage except the last, which only a classifier needs.

    Raises `KeyError` for an unknown variant.
    """
    width, depth = VARIANTS[variant]
    blocks = []
    channels = STEM_CHANNELS
    for number, (repeats, kernel, stride, expansion, out) in enumerate(STAGES[:-1]):
        out = _round_channels(out * width)
        # Lite variants keep the depth that the first stage has in B0.
        count = repeats if number == 0 else math.ceil(repeats * depth)
        for i in range(count):
            tap = number in FEATURE_STAGES and i == count - 1
            blocks.append(Block(channels, out, kernel, stride if i == 0 else 1, expansion, tap))
            channels = out
    return tuple(blocks)


def _round_channels(channels: float, divisor: int = 8) -> int:
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
