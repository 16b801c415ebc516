"""Masked losses: every pixel and score counts only as far as its label is known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LossWeights:
    """The weight of each part of the loss; ``masks`` and ``scores`` by channel."""

    masks: tuple[float, ...] = (1.0, 0.9, 0.9, 0.7, 0.6, 0.3)
    # A gap covers one pixel in a thousand: with equal weight, the network would ignore it.
    positive: tuple[float, ...] = (1.0, 1.0, 1.0, 8.0, 1.0, 1.0)
    smooth: tuple[float, ...] = (30.0, 30.0, 30.0, 3.0, 30.0, 30.0)
    scores: tuple[float, ...] = (0.5, 0.15, 0.15)
    cross_entropy: float = 4.0
    dice: float = 0.6
    local: float = 1.5


def soft_dice(probability: Tensor, target: Tensor, weight: Tensor, smooth: Tensor) -> Tensor:
    """1 - Dice of each channel over the whole batch (Milletari et al., arXiv:1606.04797).

    The first three are N x C x H x W; ``smooth`` and the result have C values.
    Pooled over the batch, because the evaluation reports pooled overlap; 0
    for a channel absent from the batch, which cross-entropy keeps low.
    """
    p, t = probability * weight, target * weight
    overlap = (p * t).sum((0, 2, 3))
    total = (p * weight).sum((0, 2, 3)) + (t * weight).sum((0, 2, 3))
    shown = t.sum((0, 2, 3)) > 0
    return (1 - (2 * overlap + smooth) / (total + smooth)) * shown


def damage_loss(
    masks: Tensor,
    scores: Tensor,
    target: Tensor,
    mask_weight: Tensor,
    score_target: Tensor,
    score_weight: Tensor,
    weights: LossWeights,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The training loss and its parts.

    ``masks``, ``target``, ``mask_weight``: N x C x H x W (logits, 0 to 1, 0 to 1);
    ``scores``, ``score_target``, ``score_weight``: N x S.
    """
    channel = masks.new_tensor(weights.masks[: masks.shape[1]])
    positive = masks.new_tensor(weights.positive[: masks.shape[1]])[:, None, None]
    smooth = masks.new_tensor(weights.smooth[: masks.shape[1]])
    raw = mask_weight * F.binary_cross_entropy_with_logits(
        masks, target, reduction="none", pos_weight=positive
    )
    known = mask_weight.sum((0, 2, 3)).clamp(min=1)
    cross_entropy = (raw.sum((0, 2, 3)) / known * channel).sum()
    dice = (soft_dice(masks.sigmoid(), target, mask_weight, smooth) * channel).sum()
    by_score = F.binary_cross_entropy_with_logits(scores, score_target, reduction="none")
    counted = score_weight.sum(0).clamp(min=1)
    by_score = (by_score * score_weight).sum(0) / counted
    score = (by_score * masks.new_tensor(weights.scores[: scores.shape[1]])).sum()
    total = weights.cross_entropy * cross_entropy + weights.dice * dice + score
    parts = {"cross_entropy": cross_entropy, "dice": dice, "score": score}
    return total, {name: part.detach() for name, part in parts.items()}


def local_loss(cells: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of the damage score's map against the ``any`` mask.

    ``cells``: N x 1 x h x w logits; ``target`` and ``weight``: N x 1 x H x W, 0 to
    1.  A cell counts as damaged if a quarter of it is.
    """
    size = (cells.shape[2], cells.shape[3])
    wanted = (4 * F.adaptive_avg_pool2d(target, size)).clamp(max=1)
    counted = F.adaptive_avg_pool2d(weight, size)
    return F.binary_cross_entropy_with_logits(cells, wanted, weight=counted)


@torch.no_grad()
def evidence(masks: Tensor, share: float = 0.005) -> Tensor:
    """Strength of the ``any`` mask: the mean probability of its top ``share`` (N values)."""
    flat = masks[:, 0].sigmoid().flatten(1)
    count = max(4, int(flat.shape[1] * share))
    return flat.topk(count, dim=1).values.mean(1)
