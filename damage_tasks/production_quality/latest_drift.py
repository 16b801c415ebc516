"""The drift of the last 24 hours, and of the days before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from damage_tasks.production_quality.drift_reference import open_references
from damage_tasks.production_quality.drift_report import DriftReport, report_drift
from damage_tasks.production_quality.kept_report import KeptReport

if TYPE_CHECKING:
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings

DAY = timedelta(days=1)
HISTORY = 7  # days


@dataclass(frozen=True, slots=True)
class DriftHistory:
    """``latest``: the last 24 hours; ``days``: the whole days (UTC) before, the newest last."""

    latest: DriftReport
    days: Sequence[DriftReport]


class LatestDrift(KeptReport[DriftHistory]):
    """The drift of the last 24 hours and of the `HISTORY` days before."""

    def __init__(self, store: Inspections, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._references = open_references(store, settings)
        self._past: dict[datetime, DriftReport] = {}
        super().__init__(self._history)

    def _history(self, now: datetime) -> DriftHistory:
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        days = [today - number * DAY for number in range(HISTORY, 0, -1)]
        past = [self._past.get(day) or self._of_day(day) for day in days]
        # A day without a reference may get one later.
        self._past = {report.since: report for report in past if report.reference}
        latest = report_drift(self._store, self._references, self._settings, now - DAY, now)
        return DriftHistory(latest, past)

    def _of_day(self, day: datetime) -> DriftReport:
        return report_drift(self._store, self._references, self._settings, day, day + DAY)
