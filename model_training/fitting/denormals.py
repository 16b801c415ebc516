"""Denormal numbers, which CPUs compute with up to 100 times slower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Have this thread treat denormal numbers as zero, and only until the block ends.

    Weights and moments that decay become denormal. The flag is the thread's, so whatever else
    the process computes afterwards would be affected too.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
