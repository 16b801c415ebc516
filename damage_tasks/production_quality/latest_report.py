"""The quality report of the last days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from damage_tasks.production_quality.kept_report import KeptReport
from damage_tasks.production_quality.quality_report import QualityReport, report_quality

if TYPE_CHECKING:
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings


class LatestReport(KeptReport[QualityReport]):
    """A report of the last DAMAGE_QUALITY_DAYS days."""

    def __init__(self, store: Inspections, settings: Settings) -> None:
        days = timedelta(days=settings.quality_days)

        def report(now: datetime) -> QualityReport:
            return report_quality(
                store, now - days, settings.review_audit_share, settings.review_costs
            )

        super().__init__(report)
