"""The quality report of the last days, computed at most every ten minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from damage_tasks.errors import DatabaseError, DatabaseUnavailable
from damage_tasks.production_quality.quality_report import QualityReport, report_quality

if TYPE_CHECKING:
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings

LIFETIME = timedelta(minutes=10)
PAUSE_AFTER_FAILURE = timedelta(minutes=1)


class LatestReport:
    """A report of the last DAMAGE_QUALITY_DAYS days; several threads may ask for it."""

    def __init__(self, store: Inspections, settings: Settings) -> None:
        self._store = store
        self._days = timedelta(days=settings.quality_days)
        self._audit_share = settings.review_audit_share
        self._report: QualityReport | None = None
        self._failure: DatabaseUnavailable | DatabaseError | None = None
        self._failed_at = datetime.min.replace(tzinfo=UTC)
        self._lock = Lock()

    def get(self) -> QualityReport:
        """The report; raises `DatabaseUnavailable` or `DatabaseError`.

        After a failure, the database is asked again only after a minute: a query that takes too
        long would otherwise be repeated whenever metrics are read.
        """
        with self._lock:
            now = datetime.now(UTC)
            if self._report is not None and now - self._report.made_at <= LIFETIME:
                return self._report
            if self._failure is not None and now - self._failed_at <= PAUSE_AFTER_FAILURE:
                raise self._failure
            try:
                self._report = report_quality(self._store, now - self._days, self._audit_share)
            except (DatabaseUnavailable, DatabaseError) as error:
                self._failure, self._failed_at = error, datetime.now(UTC)
                raise
            self._failure = None
            return self._report
