"""Throughput of a service whose queue never runs empty, measured over a window."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.testbed import Service
from damage_tasks.errors import StackError
from damage_tasks.sqs.batches import MAX_BATCH_ENTRIES

POLL_SECONDS = 0.1
MIN_WINDOW_PHOTOS = 8


@dataclass(frozen=True, slots=True)
class Rate:
    """The result of a window; CPU in milliseconds per photo, by part of the stack."""

    photos: int
    seconds: float
    cpu_ms: dict[str, float]
    verdicts: dict[str, int]

    @property
    def per_second(self) -> float:
        """Photos per second of wall time."""
        return self.photos / self.seconds

    @property
    def worker_ms(self) -> float:
        """CPU milliseconds per photo of all the worker's processes."""
        return self.cpu_ms["worker"]

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {"photos_per_second": self.per_second, **asdict(self)}


def measure(
    service: Service,
    urls: Iterator[str],
    *,
    seconds: float,
    warm: int = 12,
    backlog: int = 100,
    patience: float = 180,
) -> Rate:
    """Keep ``backlog`` photos of ``urls`` waiting, and count those finished in ``seconds``.

    The window begins when ``warm`` photos are finished.  The queue is empty afterwards.
    Raises `TimeoutError` if too few photos are finished in ``patience`` seconds, and
    `StackError` if a worker ends or photos are not examined.
    """
    since = time.time()
    sent = 0

    def top_up() -> int:
        nonlocal sent
        service.check()
        done = service.finished(since)
        while sent - done < backlog:
            batch = [next(urls) for _ in range(MAX_BATCH_ENTRIES)]
            service.send(batch)
            sent += len(batch)
        return done

    end = time.monotonic() + patience
    # Photos finished while a large backlog is filled do not belong to the window.
    first = max(warm, top_up() + warm) if backlog <= 1000 else top_up() + service.finished(since)
    while (done := top_up()) < first:
        if time.monotonic() > end:
            raise TimeoutError(f"only {done} of {first} photos finished in {patience:g} s")
        time.sleep(POLL_SECONDS)
    started, cpu = time.monotonic(), service.cpu()
    while time.monotonic() - started < seconds or top_up() < done + MIN_WINDOW_PHOTOS:
        if time.monotonic() > end + seconds:
            raise TimeoutError(f"fewer than {MIN_WINDOW_PHOTOS} photos finished in {patience:g} s")
        time.sleep(POLL_SECONDS)
        top_up()
    last, cpu_after, elapsed = service.finished(since), service.cpu(), time.monotonic() - started
    verdicts = service.verdicts(since)
    if odd := verdicts.keys() - {"clean", "damaged"}:
        raise StackError(f"photos were not examined but {', '.join(sorted(odd))}")
    service.clear()
    photos = last - done
    return Rate(
        photos, elapsed, {k: (cpu_after[k] - cpu[k]) * 1000 / photos for k in cpu}, verdicts
    )
