"""How many processes a worker starts with ``DAMAGE_CONCURRENCY=auto``.

Processes wait for downloads, uploads and the database, so a core needs several of them
(docs/adr/0035-processes-by-cores-and-memory.md); memory for the largest photo in each is the limit.
"""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from damage_tasks.worker.memory_limit import (
    BUNDLE_MEBIBYTES,
    PARENT_MEBIBYTES,
    PROCESS_MEBIBYTES,
    usable_mebibytes,
)
from model_store.engines.loading import torch_is_for_cuda
from model_store.rollout import is_pointer

if TYPE_CHECKING:
    from damage_tasks.settings import Settings

logger = logging.getLogger(__name__)

PROCESSES_PER_CORE = 5


def process_count(settings: Settings) -> int:
    """The number of processes that ``settings.concurrency`` means on this machine.

    With ``auto``, five for each core, but not more than the memory limit allows, and at
    least one. A GPU gets one process: each would have its own copy of CUDA's memory.
    """
    if settings.concurrency != "auto":
        return settings.concurrency
    if torch_is_for_cuda() and finds_gpu():
        logger.info("DAMAGE_CONCURRENCY=auto: one process, because it computes on a GPU")
        return 1
    cores = settings.cores or usable_cores()
    memory = usable_mebibytes()
    each = process_mebibytes(settings)
    count = fitting_processes(cores, memory, each)
    logger.info(
        "DAMAGE_CONCURRENCY=auto: starting %d processes (cores: %d, memory: %d MiB; up to %d for "
        "each core, %d MiB for each, and %d for their parent)",
        count, cores, memory, PROCESSES_PER_CORE, each, PARENT_MEBIBYTES,
    )  # fmt: skip
    return count


def process_mebibytes(settings: Settings) -> int:
    """The memory that each process needs at most, in MiB: with two bundles during a roll-out."""
    bundles = BUNDLE_MEBIBYTES if is_pointer(settings.bundle) else 0
    return PROCESS_MEBIBYTES + bundles + settings.max_photo_megabytes


def fitting_processes(cores: int, mebibytes: int, each: int) -> int:
    """Processes for ``cores`` that fit in ``mebibytes``, if each takes at most ``each``."""
    fitting = (mebibytes - PARENT_MEBIBYTES) // each
    return max(1, min(PROCESSES_PER_CORE * cores, fitting))


def finds_gpu() -> bool:
    """Whether there is a GPU, searched for in a new process.

    Once this process had initialised the driver, processes that it forks could not use the GPU.
    """
    search = "import sys; from model_store.engines.loading import has_gpu; sys.exit(not has_gpu())"
    return subprocess.run([sys.executable, "-c", search], check=False).returncode == 0


def usable_cores(root: Path = Path("/")) -> int:
    """The cores that this process may use: its affinity and its container's CPU limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, *(max(1, math.ceil(limit)) for limit in _cpu_limits(root)), 2**16)


def _cpu_limits(root: Path) -> Iterator[float]:
    group = root / "sys/fs/cgroup"
    with suppress(OSError, ValueError):  # version 2: "max 100000" without a limit
        quota, period = (group / "cpu.max").read_text().split()
        yield int(quota) / int(period)
    with suppress(OSError, ValueError):  # version 1: -1 without a limit
        share = int((group / "cpu/cpu.cfs_quota_us").read_text())
        whole = int((group / "cpu/cpu.cfs_period_us").read_text())
        if share > 0:
            yield share / whole
