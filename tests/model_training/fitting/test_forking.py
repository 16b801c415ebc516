from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import cv2
import pytest
import torch

from model_training.fitting.forking import prepare_to_fork


class Model:
    """Garbage that only the collector frees, as a compiled network in a reference cycle."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads(), cv2.getNumThreads()
    gc.disable()
    yield
    gc.enable()
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


@pytest.mark.usefixtures("threads")
def test_a_forked_process_gets_no_threads_and_no_garbage() -> None:
    model = weakref.ref(Model())
    assert model() is not None
    prepare_to_fork()
    assert model() is None
    assert torch.get_num_threads() == 1
    assert cv2.getNumThreads() == 1
