"""Reads how much anonymous memory processes hold, by themselves and together; Linux only.

A forked process shares pages with its parent until one of them writes, or the other ends. Memory
that no other process shares (USS) rises then, although nothing was allocated. So one process is
measured by the pages that it maps, whether shared or not, and all together by their proportional
shares (PSS), whose sum counts every page once. Pages of files are not counted: the system can drop
them, and other programs share them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

MEGABYTES_OF_KIB = 1024 / 1e6


def mapped_memory(pid: int) -> float:
    """The anonymous memory that process ``pid`` maps, shared or not, in MB.

    Raises `psutil.NoSuchProcess` if it has ended.
    """
    return _sum_of(pid, "Anonymous", "Swap")


def memory_together(processes: Iterable[psutil.Process]) -> float:
    """The anonymous memory of a program's ``processes``, each page counted once, in MB."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += _sum_of(process.pid, "Pss_Anon", "Pss_Shmem", "SwapPss")
    return total


def _sum_of(pid: int, *fields: str) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):  # as long as nobody waited for it, the latter
        raise psutil.NoSuchProcess(pid) from None
    kibibytes = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return sum(int(kibibytes[each].split()[0]) for each in fields) * MEGABYTES_OF_KIB
