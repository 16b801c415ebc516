"""Whether another bundle fits into a worker's memory next to the ones that serve."""

from __future__ import annotations

import os
import re
import resource
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from damage_tasks.errors import BundleError
from damage_tasks.worker.memory_limit import (
    BUNDLE_MEBIBYTES,
    MEBIBYTE,
    PARENT_MEBIBYTES,
    PROCESS_MEBIBYTES,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from damage_tasks.settings import Settings
    from model_store.bundle import Bundle

OWN_MEBIBYTES = PROCESS_MEBIBYTES - BUNDLE_MEBIBYTES  # of a process's own, besides its bundles


class BundleTooLarge(Exception):
    """A bundle does not fit into memory next to the one that serves."""

    code = BundleError.code


class MemoryBound:
    """The memory of a worker with ``processes`` processes, of which this is one.

    ``mebibytes`` is the memory limit of all of them and their parent together.  What another
    bundle needs is estimated from what the first one took, by the size of their files.
    """

    def __init__(self, settings: Settings, processes: int, mebibytes: int) -> None:
        self._photo = settings.max_photo_megabytes
        self._process_limit = settings.max_process_megabytes
        self._processes, self._limit = processes, mebibytes
        self._bare = 0.0  # resident memory of this process without any bundle
        self._resident_factor = 1.0  # memory that a bundle takes, by the size of its files
        self._private_factor = 1.0

    def first_bundle_loaded(self, bundle: Bundle, before: Memory, after: Memory) -> None:
        """Remember what the first bundle took; later ones may use memory that photos have left."""
        size = _mebibytes(bundle)
        self._bare = before.resident
        self._resident_factor = max(1.0, (after.resident - before.resident) / size)
        self._private_factor = max(1.0, (after.private - before.private) / size)

    def check(self, bundle: Bundle, loaded: Iterable[Bundle]) -> None:
        """Raise `BundleTooLarge` if ``bundle`` does not fit next to those that are ``loaded``."""
        serving = list(loaded)
        self._check_process(bundle, serving)
        self._check_worker(bundle, serving)

    def _check_process(self, bundle: Bundle, serving: list[Bundle]) -> None:
        resident = self._bare + self._resident_factor * sum(map(_mebibytes, serving))
        need = self._resident_factor * _mebibytes(bundle)
        if resident + need + self._photo > self._process_limit:
            raise BundleTooLarge(
                f"not enough memory for {bundle.label} next to the bundle that serves: a process "
                f"takes {resident:.0f} MiB, the bundle about {need:.0f} MiB and a photo up to "
                f"{self._photo} MiB, which exceeds DAMAGE_MAX_PROCESS_MEGABYTES "
                f"({self._process_limit}); raise it and the worker's memory limit, or lower "
                "DAMAGE_MAX_PHOTO_MEGABYTES"
            )

    def _check_worker(self, bundle: Bundle, serving: list[Bundle]) -> None:
        private = OWN_MEBIBYTES + sum(map(self._private, serving))
        need = self._private(bundle)
        total = PARENT_MEBIBYTES + self._processes * (private + need + self._photo)
        if total > self._limit:
            raise BundleTooLarge(
                f"not enough memory for {bundle.label} next to the bundle that serves: with it, "
                f"{self._processes} x ({private:.0f} MiB for a process, about {need:.0f} MiB for "
                f"the bundle, {self._photo} MiB for a photo) and {PARENT_MEBIBYTES} MiB for their "
                f"parent are {total:.0f} MiB, which exceeds the worker's memory limit "
                f"({self._limit} MiB); raise the limit, or lower DAMAGE_CONCURRENCY or "
                "DAMAGE_MAX_PHOTO_MEGABYTES"
            )

    def _private(self, bundle: Bundle) -> float:
        # Photos add to what it takes at first.
        return max(BUNDLE_MEBIBYTES, self._private_factor * _mebibytes(bundle))


class Memory:
    """The memory of this process now, in MiB: ``resident``, and ``private`` of that.

    Private pages are those that only this process uses and that have to stay in memory.
    """

    def __init__(self) -> None:
        # Without /proc, the peak.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.resident = self.private = peak
        with suppress(OSError):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.resident = self.private = pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE
        with suppress(OSError):
            found = re.search(
                r"Private_Dirty:\s+(\d+)", Path("/proc/self/smaps_rollup").read_text()
            )
            self.private = int(found[1]) / 1024 if found else self.private


def _mebibytes(bundle: Bundle) -> float:
    return sum(file.bytes for _, file in bundle.manifest.large_files()) / MEBIBYTE
