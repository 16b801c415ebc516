"""The heartbeat file of a process that is not a Celery worker."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class HeartbeatFile:
    """The file that `damage-probe live` reads: the time, and for how long it is good."""

    def __init__(self, file: Path, limit: int) -> None:
        """Write ``file``, and ``limit`` (seconds) into it."""
        self._file = file
        self._limit = limit

    def beat(self) -> None:
        """Write the time; a full disk must not end the process."""
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(f"{int(time.time())} {self._limit}\n")
