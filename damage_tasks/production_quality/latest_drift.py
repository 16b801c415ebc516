"""The drift of the last 24 hours, and of the days before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

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
    """``latest``: the last 24 hours; ``days``: whole days of DAMAGE_TIME_ZONE, the newest last."""

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
        zone = ZoneInfo(self._settings.time_zone)
        today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        # Arithmetic of local times: a day may have 23 or 25 hours.
        midnights = [today - number * DAY for number in range(HISTORY, -1, -1)]
        days = pairwise(each.astimezone(UTC) for each in midnights)
        past = [self._past.get(since) or self._of_day(since, until) for since, until in days]
        # A day without a reference may get one later.
        self._past = {report.since: report for report in past if report.reference}
        latest = report_drift(self._store, self._references, self._settings, now - DAY, now)
        return DriftHistory(latest, past)

    def _of_day(self, since: datetime, until: datetime) -> DriftReport:
        return report_drift(self._store, self._references, self._settings, since, until)
