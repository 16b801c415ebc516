"""Takes the samples of a run: of a worker, the other programs, the database and files."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from tools.soak.memory_maps import memory_together
from tools.soak.samples import (
    MEMORY,
    Samples,
    connection_counter,
    measure_files,
    measure_processes,
)

WORKER = "worker"
PARENT, OTHERS = "worker's parent process", "worker's other processes"


def sampler(
    samples: Samples,
    worker: int,
    programs: Mapping[str, int],
    *,
    metrics_url: str,
    database_url: str,
    state: Path,
) -> Callable[[], None]:
    """A function that adds to ``samples``, at seconds after this call.

    ``worker`` and the values of ``programs`` are the numbers of their first processes. The worker's
    metrics at ``metrics_url`` are scraped, as in a cluster. ``state`` is the folder of its files.
    """
    begun = time.monotonic()
    count_connections = connection_counter(database_url)
    parent = psutil.Process(worker)

    def sample() -> None:
        with urllib.request.urlopen(metrics_url, timeout=10) as answer:
            answer.read()
        processes = {PARENT: [parent], OTHERS: parent.children(recursive=True)}
        together = memory_together([*processes[PARENT], *processes[OTHERS]])
        for name, pid in programs.items():
            root = psutil.Process(pid)
            processes[name] = [root, *root.children(recursive=True)]
        samples.add(
            time.monotonic() - begun,
            {f"{WORKER}: {MEMORY}": together, **count_connections(), **measure_files([state])},
            {name: list(measure_processes(each)) for name, each in processes.items()},
        )

    return sample
