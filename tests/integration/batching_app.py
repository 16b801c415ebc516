"""The application with torch in batches of waiting photos, as on a GPU, but on the CPU.

The device is busy until ``THREADS`` photos wait for it, and it fails on black photos.
Everything else in the worker is real, but its pauses are shorter.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from damage_tasks import app
from damage_tasks.sqs import redelivery
from model_store.engines import Array, torch
from model_store.engines.micro_batching import BatchingEngine, Job

__all__ = ["app"]

logger = logging.getLogger(__name__)


class Device(torch.TorchEngine):
    """Takes long enough for photos to accumulate, and reports how many were in a failed batch."""

    def encode_batch(self, photos: Sequence[Array]) -> list[tuple[Any, Array]]:
        time.sleep(0.2)
        if any(photo.max() < 0 for photo in photos):
            logger.info("device fails on %d photos", len(photos))
            raise RuntimeError("out of memory on the GPU")
        return super().encode_batch(photos)


def _load(bundle: Any, weights: Any, *_: Any, **__: Any) -> BatchingEngine:
    engine = BatchingEngine(Device(torch.load_network(bundle, weights)))

    busy = threading.Event()

    def be_busy(_: Sequence[None]) -> list[None]:
        busy.set()
        end = time.monotonic() + 60
        while engine.waiting < int(os.environ["THREADS"]) and time.monotonic() < end:
            time.sleep(0.01)
        return [None]

    threading.Thread(target=engine.submit, args=(Job(be_busy, (), None),), daemon=True).start()
    assert busy.wait(30)
    return engine


torch.load_torch = _load
redelivery.FIRST_REDELIVERY_SECONDS = 1
