"""Watches which locks of tables are held and waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

INTERVAL_SECONDS = 0.01
_LOCKS = sa.text("""
SELECT l.pid, c.relname, l.mode, l.granted,
    coalesce(extract(epoch FROM clock_timestamp() - l.waitstart), 0) AS waited
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
    AND (NOT l.granted OR l.mode = 'AccessExclusiveLock')
""")


@dataclass
class LockWatch:
    """Looks at the locks a hundred times a second between `start` and `stop`.

    ``exclusive`` contains for each table the longest time in seconds for which a transaction held
    its ACCESS EXCLUSIVE lock, rounded up to the neighbouring looks; ``longest_wait`` is the longest
    time that another statement waited for a lock of a table. ``wanted`` is set when a transaction
    waits for an ACCESS EXCLUSIVE lock.
    """

    url: str
    exclusive: dict[str, float] = field(default_factory=dict)
    longest_wait: float = 0.0
    wanted: threading.Event = field(default_factory=threading.Event)
    _held: dict[tuple[int, str], float] = field(default_factory=dict)

    def start(self) -> None:
        """Start the thread, and wait for its connection."""
        connected = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=[connected], name="lock-watch", daemon=True
        )
        self._thread.start()
        if not connected.wait(30):
            raise RuntimeError("PostgreSQL could not be reached to look at its locks")

    def stop(self) -> None:
        """Stop it."""
        self._stopped.set()
        self._thread.join()

    def _run(self, connected: threading.Event) -> None:
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            # A lock that the last look did not see may have been taken while its answer came.
            last = time.monotonic()
            connected.set()
            while not self._stopped.wait(INTERVAL_SECONDS):
                began = time.monotonic()
                rows = connection.execute(_LOCKS).all()
                self._look(rows, last, time.monotonic())
                last = began

    def _look(self, rows: Sequence[Any], last: float, now: float) -> None:
        held = set()
        for pid, table, mode, is_granted, waited in rows:
            if mode != "AccessExclusiveLock":
                self.longest_wait = max(self.longest_wait, float(waited))
            elif is_granted:
                held.add((pid, table))
                self._held.setdefault((pid, table), last)
            else:
                self.wanted.set()
        for key, since in list(self._held.items()):
            table = key[1]
            self.exclusive[table] = max(self.exclusive.get(table, 0.0), now - since)
            if key not in held:
                del self._held[key]
