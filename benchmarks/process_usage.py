"""CPU and memory of process trees."""

from __future__ import annotations

from contextlib import suppress

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """The process ``pid`` and all its living descendants."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pid: int) -> float:
    """User and system time used by the process tree of ``pid``, including ended descendants."""
    total = 0.0
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def megabytes(pid: int) -> float:
    """Memory of the process tree of ``pid`` in MB; shared pages are counted once (PSS)."""
    total = 0
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 1e6
