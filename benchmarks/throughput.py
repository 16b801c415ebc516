"""Photos through a service from a queue that never runs dry, measured over a window."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.testbed import Service
from damage_tasks.errors import StackError

POLL = 0.1  # seconds
FEWEST = 8  # photos of a window


@dataclass(frozen=True, slots=True)
class Rate:
    """What a window came to; CPU in milliseconds a photo, by part of the stack."""

    photos: int
    seconds: float
    cpu_ms: dict[str, float]
    verdicts: dict[str, int]

    @property
    def per_second(self) -> float:
        """Photos a second of wall time."""
        return self.photos / self.seconds

    @property
    def worker_ms(self) -> float:
        """CPU milliseconds of the worker, all its processes, for one photo."""
        return self.cpu_ms["worker"]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
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
    """Keep ``backlog`` photos of ``urls`` waiting; count what is done in ``seconds``.

    The window begins when ``warm`` photos are done.  The queue is empty afterwards.
    Raises `TimeoutError` when not enough photos are done in ``patience`` seconds, and
    `StackError` when a worker ends or photos are not examined.
    """
    since = time.time()
    sent = 0

    def top_up() -> int:
        nonlocal sent
        service.check()
        done = service.finished(since)
        while sent - done < backlog:
            batch = [next(urls) for _ in range(10)]
            service.send(batch)
            sent += len(batch)
        return done

    end = time.monotonic() + patience
    # What is done while a large backlog is being filled is no part of the window.
    first = max(warm, top_up() + warm) if backlog <= 1000 else top_up() + service.finished(since)
    while (done := top_up()) < first:
        if time.monotonic() > end:
            raise TimeoutError(f"{done} of {first} photos done after {patience:g} s")
        time.sleep(POLL)
    started, cpu = time.monotonic(), service.cpu()
    while time.monotonic() - started < seconds or top_up() < done + FEWEST:
        if time.monotonic() > end + seconds:
            raise TimeoutError(f"fewer than {FEWEST} photos done in {patience:g} s")
        time.sleep(POLL)
        top_up()
    last, cpu_after, elapsed = service.finished(since), service.cpu(), time.monotonic() - started
    verdicts = service.verdicts(since)
    if odd := verdicts.keys() - {"clean", "damaged"}:
        raise StackError(f"photos end {', '.join(sorted(odd))}, which costs less than looking")
    service.clear()
    photos = last - done
    return Rate(
        photos, elapsed, {k: (cpu_after[k] - cpu[k]) * 1000 / photos for k in cpu}, verdicts
    )
