"""Denormal numbers, with which CPUs compute up to 100 times more slowly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Make this thread treat denormal numbers as zero until the block ends.

    Decaying weights and moments become denormal. The flag belongs to the thread, so it
    must be reset for whatever the process computes afterwards.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
