"""EfficientNet-Lite encoder with a small depthwise-separable U-Net decoder.

The decoder follows U-Net (Ronneberger et al., arXiv:1505.04597) and stops at stride 4.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_store.architectures.efficientnet_lite_blocks import LOCAL_SHARE
from model_store.architectures.efficientnet_lite_encoder import Encoder, Levels


class Features(NamedTuple):
    """Input of `decode`: encoder features at strides 4 and 8, decoder features at stride 16."""

    stride4: Tensor
    stride8: Tensor
    decoded16: Tensor


class EfficientNetLiteUNet(nn.Module):
    """One trunk with ``masks`` per-pixel outputs and ``scores`` per-photo outputs.

    ``encode`` returns the features and the score logits (N x scores); ``decode``
    turns features into mask logits (N x masks x H/4 x W/4).  They are separate
    so that a gate can end an inspection before the decoder runs.

    ``decoder`` lists the channels at strides 16, 8 and 4, and ``depth`` the number of
    residual units at each stride.  With ``context``, the decoder also receives the mean
    features of the whole photo.  The first ``local`` scores average the strongest cells of a
    stride-16 map, which responds to small damage and cannot memorise whole photos; the other
    scores use the mean and the maximum of ``score_strides``.  With ``whole_photo`` hidden
    units, the first score comes from a two-layer head that sees the whole photo instead
    (`describe`).  With ``screening`` hidden units, so does the last, for smaller photos.

    Input: N x 3 x H x W float, RGB, normalised; H and W are multiples of 32.
    """

    def __init__(
        self,
        masks: int = 5,
        scores: int = 1,
        variant: str = "lite0",
        decoder: tuple[int, int, int] = (128, 64, 48),
        depth: int = 1,
        context: bool = False,
        score_strides: tuple[int, ...] = (32,),
        local: int = 0,
        whole_photo: int = 0,
        screening: int = 0,
    ) -> None:
        super().__init__()
        if (whole_photo or screening) and not local:
            raise ValueError(
                "whole_photo and screening need a local score, which says where to look"
            )
        self.encoder = Encoder(variant)
        c4, c8, c16, c32 = self.encoder.channels
        d16, d8, d4 = decoder
        self.up16 = DecoderBlock(c32 + c16, d16, depth)
        self.up8 = DecoderBlock(d16 + c8, d8, depth)
        self.up4 = DecoderBlock(d8 + c4, d4, depth)
        self.masks = nn.Conv2d(d4, masks, 1)
        self.context = nn.Linear(c32, d16) if context else None
        self.score_strides = tuple(score_strides)
        by_stride = dict(zip((4, 8, 16, 32), self.encoder.channels, strict=True))
        pooled = 2 * sum(by_stride[s] for s in self.score_strides)
        self.scores = nn.Linear(pooled, scores - local - bool(screening))
        self.local = nn.Conv2d(d16, local, 1) if local else None
        described = 3 * (c16 + d16 + c32)
        self.whole_photo = _two_layers(described, whole_photo) if whole_photo else None
        self.screening = _two_layers(described, screening) if screening else None
        nn.init.constant_(self.masks.bias, -2.5)  # type: ignore[arg-type]  # damage is rare

    def encode(self, photo: Tensor) -> tuple[Features, Tensor]:
        """Features for `decode`, and the score logits (N x scores)."""
        levels = self.encoder(photo)
        x = self.decode16(levels)
        seen = dict(zip((4, 8, 16, 32), levels, strict=True))
        maps = [seen[stride] for stride in self.score_strides]
        pooled = [pool for y in maps for pool in (y.mean((2, 3)), y.amax((2, 3)))]
        scores = self.scores(torch.cat(pooled, 1))
        if self.local is not None:
            strongest = _strongest(self.local(x))
            if self.whole_photo is not None:
                judged = self.whole_photo(self.describe(levels, x))
                strongest = torch.cat([judged, strongest[:, 1:]], 1)
            scores = torch.cat([strongest, scores], 1)
        if self.screening is not None:
            scores = torch.cat([scores, self.screening(self.describe(levels, x))], 1)
        return Features(levels.stride4, levels.stride8, x), scores

    def decode16(self, levels: Levels) -> Tensor:
        """The decoder's features at stride 16 (N x C x H/16 x W/16)."""
        x: Tensor = self.up16(_join(levels.stride32, levels.stride16))
        if self.context is not None:
            x = x + F.relu(self.context(levels.stride32.mean((2, 3))))[:, :, None, None]
        return x

    def describe(self, levels: Levels, decoded16: Tensor) -> Tensor:
        """What the heads ``whole_photo`` and ``screening`` see: N x 3 (c16 + d16 + c32).

        For the encoder's stride 16, the decoder's stride 16 and the encoder's stride 32:
        the mean, the maximum, and the mean weighted by the first local score's map.
        """
        assert self.local is not None
        cells = self.local(decoded16)[:, :1]
        fine = F.softmax(cells.flatten(2), 2).view_as(cells)
        coarse = 4 * F.avg_pool2d(fine, 2)
        parts = []
        for level, weight in (
            (levels.stride16, fine),
            (decoded16, fine),
            (levels.stride32, coarse),
        ):
            parts += [level.mean((2, 3)), level.amax((2, 3)), (level * weight).sum((2, 3))]
        return torch.cat(parts, 1)

    def decode(self, features: Features) -> Tensor:
        """Mask logits at stride 4 (N x masks x H/4 x W/4)."""
        x = self.up8(_join(features.decoded16, features.stride8))
        x = self.up4(_join(x, features.stride4))
        logits: Tensor = self.masks(x)
        return logits

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        """Mask logits (N x masks x H/4 x W/4) and score logits (N x scores)."""
        features, scores = self.encode(photo)
        return self.decode(features), scores


class DecoderBlock(nn.Module):
    """1x1 reduction, then ``depth`` depthwise-separable 5x5 convolutions with a residual."""

    def __init__(self, channels: int, out: int, depth: int = 1) -> None:
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        self.depthwise = nn.Sequential(
            nn.Conv2d(out, out, 5, padding=2, groups=out, bias=False), nn.BatchNorm2d(out)
        )
        self.project = nn.Sequential(nn.Conv2d(out, out, 1, bias=False), nn.BatchNorm2d(out))
        self.more = nn.ModuleList(DecoderBlock(out, out) for _ in range(depth - 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.reduce(x))
        x = F.relu(x + self.project(F.relu(self.depthwise(x))))
        for block in self.more:
            x = block(x)
        return x


def _two_layers(channels: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, 1))


def _join(small: Tensor, large: Tensor) -> Tensor:
    up = F.interpolate(small, size=large.shape[-2:], mode="bilinear", align_corners=False)
    return torch.cat([up, large], 1)


def _strongest(logits: Tensor) -> Tensor:
    """Mean of the strongest cells of each channel: N x C x H x W to N x C."""
    cells = logits.flatten(2)
    # Computed with tensors rather than Python numbers, so exported networks accept any shape.
    each = torch.ones_like(cells[:1, :1], dtype=torch.float32)
    count = (each.sum() * LOCAL_SHARE).round().clamp(min=3)
    kept = (each.cumsum(2) <= count).to(cells.dtype)
    return (cells.sort(dim=2, descending=True).values * kept).sum(2) / count
