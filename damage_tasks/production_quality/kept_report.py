"""A report that is computed at most every ten minutes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Generic, TypeVar

from damage_tasks.errors import DatabaseError, DatabaseUnavailable

LIFETIME = timedelta(minutes=10)
PAUSE_AFTER_FAILURE = timedelta(minutes=1)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

Report = TypeVar("Report")


class KeptReport(Generic[Report]):
    """The report that ``compute`` makes at a time; several threads may ask for it."""

    def __init__(self, compute: Callable[[datetime], Report]) -> None:
        self._compute = compute
        self._report: Report | None = None
        self._made_at = _LONG_AGO
        self._failure: DatabaseUnavailable | DatabaseError | None = None
        self._failed_at = _LONG_AGO
        self._lock = Lock()

    def get(self) -> Report:
        """The report; raises `DatabaseUnavailable` or `DatabaseError`.

        After a failure, the database is asked again only after a minute: a query that takes too
        long would otherwise be repeated whenever metrics are read.
        """
        with self._lock:
            now = datetime.now(UTC)
            if self._report is not None and now - self._made_at <= LIFETIME:
                return self._report
            if self._failure is not None and now - self._failed_at <= PAUSE_AFTER_FAILURE:
                raise self._failure
            try:
                self._report = self._compute(now)
            except (DatabaseUnavailable, DatabaseError) as error:
                self._failure, self._failed_at = error, datetime.now(UTC)
                raise
            self._failure, self._made_at = None, datetime.now(UTC)
            return self._report
