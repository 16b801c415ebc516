"""What must be done before training processes are forked."""

from __future__ import annotations

import gc

import cv2
import torch


def prepare_to_fork() -> None:
    """Leave nothing behind that a forked process would wait for.

    Afterwards, this process has one thread, because thread pools do not survive a fork.  Garbage is
    collected now: a forked process that destroys a compiled OpenVINO model waits for its threads.
    """
    use_one_thread()
    gc.collect()


def use_one_thread(_: int = 0) -> None:
    """Compute with one thread in torch and OpenCV."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
