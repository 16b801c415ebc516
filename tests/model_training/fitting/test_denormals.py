"""Denormals are flushed while a training run computes, and not afterwards."""

from __future__ import annotations

import pytest
import torch

from model_training.fitting.denormals import flushed_denormals


def halved_smallest() -> float:
    return float(torch.tensor([1e-40]) * 0.5)


def test_denormals_are_zero_inside_the_block_alone() -> None:
    assert halved_smallest() > 0
    with flushed_denormals():
        assert halved_smallest() == 0
    assert halved_smallest() > 0


def test_denormals_come_back_after_an_error() -> None:
    with pytest.raises(ValueError, match="stop"), flushed_denormals():
        raise ValueError("stop")
    assert halved_smallest() > 0
