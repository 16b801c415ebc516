"""Micro-batching: photos waiting for the same device are computed in one batch.

For GPUs.  On a CPU, a batch takes as long as its photos one after the other.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from model_store.engines.interface import Array

MAX_BATCH_PHOTOS = 16


class Batched(Protocol):
    """An engine that can process several photos of one shape at once."""

    def encode_batch(self, photos: Sequence[Array]) -> list[tuple[Any, Array]]:
        """`Engine.encode` of each photo."""

    def decode_batch(self, states: Sequence[Any]) -> list[Array]:
        """`Engine.decode` of each state."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A value for one photo, and the call that computes it for all photos of a batch."""

    run: Callable[[Sequence[Any]], Sequence[Any]]
    shape: tuple[int, ...]
    value: Any
    done: Future[Any] = field(default_factory=Future)


class BatchingEngine:
    """Gives each thread the interface of one engine; a single background thread computes.

    It never waits for a batch to fill: the next batch is whatever arrived while the device
    was busy, up to 16 photos of the same shape.  A batch that fails is processed again photo
    by photo, so that each photo gets its own outcome.
    """

    def __init__(self, engine: Batched) -> None:
        self._engine = engine
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="batches", daemon=True).start()

    def encode(self, photo: Array) -> tuple[Any, Array | None]:
        state, scores = self.submit(Job(self._engine.encode_batch, photo.shape, photo))
        return (photo.shape, state), scores

    def decode(self, state: Any) -> Array:
        shape, features = state
        masks: Array = self.submit(Job(self._engine.decode_batch, shape, features))
        return masks

    @property
    def waiting(self) -> int:
        """The number of photos that wait for the device."""
        return self._jobs.qsize()

    def submit(self, job: Job) -> Any:
        """Compute ``job`` in the next batch that it fits into; raises what it raises."""
        self._jobs.put(job)
        return job.done.result()

    def _work(self) -> None:
        waiting: list[Job] = []
        while True:
            if not waiting:
                waiting.append(self._jobs.get())
            while not self._jobs.empty():
                waiting.append(self._jobs.get())
            first = waiting[0]
            batch = [job for job in waiting if (job.run, job.shape) == (first.run, first.shape)]
            batch = batch[:MAX_BATCH_PHOTOS]
            waiting = [job for job in waiting if job not in batch]
            _run(batch)


def _run(batch: list[Job]) -> None:
    try:
        found = batch[0].run([job.value for job in batch])
    except Exception as error:
        if len(batch) == 1:
            batch[0].done.set_exception(error)
            return
        for job in batch:
            _run([job])
        return
    for job, value in zip(batch, found, strict=True):
        job.done.set_result(value)
