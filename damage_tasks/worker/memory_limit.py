"""The memory that a worker may use, and what its processes need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PARENT_MEBIBYTES = 400  # with the libraries that all processes share
PROCESS_MEBIBYTES = 150  # of a process's own with the default bundle, with either engine
BUNDLE_MEBIBYTES = 100  # of that, for the default bundle; a roll-out needs it again
MEBIBYTE = 2**20


def limit_mebibytes(root: Path = Path("/")) -> int:
    """The memory that this process can never exceed, in MiB: its container's or the machine's."""
    return min([*_memory_limits(root), _total_bytes()]) // MEBIBYTE


def usable_mebibytes(root: Path = Path("/")) -> int:
    """The memory that this process may use, in MiB.

    It is its container's limit; without one, what the machine has available now.
    """
    available = _available_bytes(root)
    limits = [limit for limit in _memory_limits(root) if limit < _total_bytes()]
    return min(limits, default=available) // MEBIBYTE


def _memory_limits(root: Path) -> Iterator[int]:
    group = root / "sys/fs/cgroup"
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # versions 2 and 1
        with suppress(OSError, ValueError):
            yield int((group / name).read_text())


def _available_bytes(root: Path) -> int:
    with suppress(OSError, StopIteration):
        lines = (root / "proc/meminfo").read_text().splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    return _total_bytes()


def _total_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
