"""The cost of starting: imports, the first verdict, and memory of each additional process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

from benchmarks.process_usage import megabytes
from benchmarks.testbed import Ground, Service, open_service
from damage_tasks.devstack import clean_environment

_IMPORT = """
import time
start = time.perf_counter()
from damage_tasks import detect_damage
print(time.perf_counter() - start)
detect_damage.delay
print(time.perf_counter() - start)
"""
CHILDREN = (1, 3)


def import_seconds(repeats: int = 7) -> tuple[float, float]:
    """Seconds that a caller's process needs to import the task, and until it can send; medians.

    Settings are read and validated on first use of the task, not on import.
    """
    environment = {
        **clean_environment(),
        "DAMAGE_QUEUE_URL": "http://127.0.0.1:9/000000000000/damage",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    # An installed package is already compiled; here the first, uncounted round does that.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    found = []
    for _ in range(repeats):
        answer = subprocess.run(
            [sys.executable, "-c", _IMPORT],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.append([float(line) for line in answer.stdout.split()])
    imported, ready = (median(times) for times in zip(*found[1:], strict=True))
    return imported, ready


def first_verdict_seconds(ground: Ground, name: str, repeats: int = 3) -> list[float]:
    """Seconds from starting a worker to the first verdict of a photo already in the queue."""
    found = []
    for number in range(repeats + 1):
        # Separate queues, because the last worker's open poll would take the next one's photo.
        with open_service(ground, f"{name}-{number}", workers=0) as service:
            service.send(ground.urls("2mp", "damaged", 1))
            since, start = time.time(), time.monotonic()
            service.stack.start_worker()
            wait_until(lambda: service.finished(since) >= 1, 180)  # noqa: B023
            found.append(time.monotonic() - start)
    # The first run fills the machine's caches: compiled Python, files in memory.
    return found[1:]


def megabytes_per_process(ground: Ground, name: str, photos: int = 24) -> dict[str, float]:
    """Memory of a worker that has examined photos: with one process, and for each further one."""
    found = {}
    for processes in CHILDREN:
        with open_service(ground, f"{name}-{processes}", processes=processes) as service:
            found[processes] = _after_photos(ground, service, photos * processes)
    first, last = CHILDREN
    return {
        "one_process": found[first],
        "further_process": (found[last] - found[first]) / (last - first),
    }


def wait_until(condition: Callable[[], bool], timeout: float) -> None:
    """Poll ``condition``; raises `TimeoutError` after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not reached within {timeout:g} s")
        time.sleep(0.02)


def _after_photos(ground: Ground, service: Service, photos: int) -> float:
    since = time.time()
    service.send(ground.urls("2mp", "damaged", photos))
    wait_until(lambda: service.finished(since) >= photos, 300)
    (worker,) = service.stack.workers
    return megabytes(worker.pid)
