"""Notices when the database permanently refuses this worker, and when it accepts it again."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from damage_tasks.errors import DatabaseError, DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from damage_tasks.results.store import Inspections

logger = logging.getLogger(__name__)

CHECK_SECONDS = 60.0


class DatabaseWatch:
    """Checks the database in a thread of the parent, which knows whether the worker is ready.

    A check is due once per ``interval`` seconds, and at once after a photo failed because of
    the database.  An outage changes nothing: only a refusal, which would meet every
    further photo, makes the worker not ready.
    """

    def __init__(
        self, open_store: Callable[[], Inspections], interval: float = CHECK_SECONDS
    ) -> None:
        self._open_store = open_store
        self._interval = interval
        self._store: Inspections | None = None
        self._due = threading.Event()
        self.refusal: str | None = None  # why the database refuses this worker

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="database-watch", daemon=True).start()

    def check_soon(self) -> None:
        """Have the thread check now, without waiting for it."""
        self._due.set()

    def check(self) -> None:
        """Check through a new connection, as worker processes will open; sets ``refusal``."""
        self._store = self._store or self._open_store()
        try:
            self._store.check_writable()
        except DatabaseUnavailable as error:
            logger.debug("database is unavailable: %s", error)
        except DatabaseError as error:
            if self.refusal is None:
                logger.error("not ready: the database refuses this worker: %s", error)
            self.refusal = str(error)
        else:
            if self.refusal is not None:
                logger.warning("the database accepts this worker again")
            self.refusal = None
        finally:
            self._store.close()

    def _run(self) -> None:
        while True:
            self._due.wait(self._interval)
            self._due.clear()
            self.check()
