"""Which bundles of a roll-out have killed the processes that loaded them.

A crash of native code, or the kernel for lack of memory, ends a process before it can report
anything.  So each load is recorded in a file that its process keeps locked; a file without a lock
is the last word of a dead process.  The lock also works across restarts of a container, in which
process ids repeat.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from damage_tasks.errors import BundleError
from model_store.rollout import NamedBundle

logger = logging.getLogger(__name__)

# One process may have been killed for another reason: a photo, a spot node, a forced stop.
MAX_DEATHS = 2
REMEMBERED_SECONDS = 3600


class BundleKillsProcesses(Exception):
    """Processes died while they loaded a bundle or examined its golden photos."""

    code = BundleError.code


class LoadAttempts:
    """The loads of one worker, recorded in ``folder``; created in its parent before the fork."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._worker = uuid.uuid4().hex
        self._current: Path | None = None
        self._has_ended = False

    @contextmanager
    def record(self, digest: str) -> Iterator[None]:
        """Record that this process is loading a bundle, until the block is left."""
        lock = self._begin(digest)
        try:
            yield
        finally:
            self._withdraw()
            if lock is not None:
                os.close(lock)

    def end(self) -> None:
        """This process ends in order: forget its load, if any, and record no other one."""
        self._has_ended = True
        self._withdraw()

    def _withdraw(self) -> None:
        if self._current is not None:
            with suppress(OSError):
                self._current.unlink(missing_ok=True)

    def check(self, bundle: NamedBundle) -> None:
        """Raise `BundleKillsProcesses` if ``bundle`` has killed too many processes."""
        deaths = self.deaths(bundle.digest)
        if deaths >= MAX_DEATHS:
            raise BundleKillsProcesses(
                f"{deaths} processes or workers were killed while they loaded {bundle.version} or "
                "examined its golden photos: its networks crash, or memory is too little; the log "
                "names the signal (SIGKILL: raise the memory limit, or DAMAGE_LOAD_TIMEOUT if the "
                "load took longer; SIGSEGV, SIGABRT, SIGILL: run "
                "`python -m model_store rollout back`, and test the bundle in the worker's image)"
            )

    def deaths(self, digest: str) -> int:
        """How often a load of the bundle has ended in a death, within an hour.

        The processes of an earlier worker count as one: they may have been killed together.
        """
        workers = [
            file.name.split(".")[1]
            for file in self._folder.glob(f"{digest}.*")
            if file.suffix != ".part" and _is_dead(file)
        ]
        return workers.count(self._worker) + len({*workers} - {self._worker})

    def _begin(self, digest: str) -> int | None:
        file = self._folder / f"{digest}.{self._worker}.{os.getpid()}"
        unfinished = file.with_name(f"{file.name}.part")
        lock = None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(unfinished, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            # Renamed only when it is locked: no other process may take it for that of a dead one.
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._current = file
            unfinished.replace(file)
        except OSError as error:
            logger.warning("the load of a bundle is not recorded: %s", error)
        if self._has_ended:
            self._withdraw()
        return lock


def forget_attempts(folder: Path, named: Collection[str]) -> None:
    """In the parent: forget deaths of more than an hour ago, and all loads of other bundles.

    ``named`` are the digests of the bundles that the roll-out names.
    """
    for file in folder.glob("*"):
        age = _seconds_since_death(file)
        is_old = age is not None and age >= REMEMBERED_SECONDS
        if is_old or file.name.split(".")[0] not in named:
            with suppress(OSError):
                file.unlink(missing_ok=True)


def _is_dead(file: Path) -> bool:
    age = _seconds_since_death(file)
    return age is not None and age < REMEMBERED_SECONDS


def _seconds_since_death(file: Path) -> float | None:
    """The age of a file that its process no longer locks; None if it does, or has removed it."""
    try:
        probe = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # it has just been removed
        return None
    try:
        # Shared, so that two processes that look at the same time do not hide it from each other.
        fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        status = os.fstat(probe)
        return time.time() - status.st_mtime if status.st_nlink else None
    except OSError:  # its process lives
        return None
    finally:
        os.close(probe)
