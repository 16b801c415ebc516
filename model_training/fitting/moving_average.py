"""The exponential moving average of a network's weights, which exports use."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


@torch.no_grad()
def follow(average: Mapping[str, Tensor], network: nn.Module, step: int, decay: float) -> None:
    """Move ``average`` towards the state of ``network``, faster in the first steps.

    ``decay`` is the share of the average that stays once training has gone on for long.
    """
    # `torch.optim.swa_utils.AveragedModel` has a constant decay, which keeps the first weights
    # for long, and averages BatchNorm's integer counters.
    decay = min(decay, (1 + step) / (10 + step))
    for name, value in network.state_dict().items():
        if value.dtype.is_floating_point:
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)
