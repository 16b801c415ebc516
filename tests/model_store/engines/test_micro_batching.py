"""Photos that wait together are processed together, but each has its own outcome."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from model_store.architectures import build
from model_store.engines import Array
from model_store.engines.micro_batching import BatchingEngine
from model_store.engines.torch import TorchEngine
from tools.small_bundles import PARAMETERS


class Device:
    """Waits until the test lets it compute, and records the sizes of its batches."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.busy = threading.Event()
        self.batches: list[int] = []

    def encode_batch(self, photos: Sequence[Array]) -> list[tuple[Any, Array]]:
        self.busy.set()
        assert self.free.wait(30)
        self.batches.append(len(photos))
        if any(photo.min() < 0 for photo in photos):
            raise RuntimeError("a bad photo")
        return [(photo, photo[:, 0, 0]) for photo in photos]

    def decode_batch(self, states: Sequence[Any]) -> list[Array]:
        return list(states)


def photo(value: float, side: int = 4) -> Array:
    return np.full((3, side, side), value, np.float32)


def test_what_gathers_while_the_device_is_busy_is_the_next_batch() -> None:
    device = Device()
    engine = BatchingEngine(device)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(engine.encode, photo(1))
        assert device.busy.wait(30)
        later = [threads.submit(engine.encode, photo(n)) for n in range(2, 8)]
        while engine.waiting < 6:
            pass
        device.free.set()
        found = [job.result(30)[1] for job in (first, *later)]
    assert [int(scores[0]) for scores in found if scores is not None] == [1, 2, 3, 4, 5, 6, 7]
    assert device.batches == [1, 6]


def test_photos_of_another_shape_are_another_batch() -> None:
    device = Device()
    engine = BatchingEngine(device)
    with ThreadPoolExecutor(8) as threads:
        jobs = [threads.submit(engine.encode, photo(0, side=4))]
        assert device.busy.wait(30)
        jobs += [threads.submit(engine.encode, photo(1, side=side)) for side in (4, 6, 4)]
        while engine.waiting < 3:
            pass
        device.free.set()
        shapes = sorted(job.result(30)[0][0] for job in jobs)
    assert shapes == [(3, 4, 4), (3, 4, 4), (3, 4, 4), (3, 6, 6)]
    assert sorted(device.batches) == [1, 1, 2]


def test_a_bad_photo_fails_alone() -> None:
    device = Device()
    engine = BatchingEngine(device)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(engine.encode, photo(0))
        assert device.busy.wait(30)
        good, bad = (threads.submit(engine.encode, photo(value)) for value in (1, -1))
        while engine.waiting < 2:
            pass
        device.free.set()
        assert first.result(30)
        assert good.result(30)
        with pytest.raises(RuntimeError, match="a bad photo"):
            bad.result(30)


@pytest.mark.slow
def test_a_batch_gives_each_photo_what_it_gets_alone() -> None:
    network = TorchEngine(build("efficientnet_lite_unet", PARAMETERS))
    rng = np.random.default_rng(3)
    photos = [rng.standard_normal((3, 64, 96), np.float32) for _ in range(3)]
    together = network.encode_batch(photos)
    masks = network.decode_batch([state for state, _ in together])
    for one, (_, scores), mask in zip(photos, together, masks, strict=True):
        state, alone = network.encode(one)
        assert alone is not None
        np.testing.assert_allclose(scores, alone, atol=1e-4)
        np.testing.assert_allclose(mask, network.decode(state), atol=1e-4)
