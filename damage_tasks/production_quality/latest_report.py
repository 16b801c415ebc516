"""The quality report of the last days."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from damage_tasks.production_quality.kept_report import KeptReport
from damage_tasks.production_quality.quality_report import QualityReport, report_quality
from damage_tasks.production_quality.review_plan import ReviewPlans

if TYPE_CHECKING:
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings


class LatestReport(KeptReport[QualityReport]):
    """A report of the last DAMAGE_QUALITY_DAYS days; ``plans`` says what its costs are."""

    def __init__(self, store: Inspections, settings: Settings) -> None:
        self.plans = ReviewPlans(settings)
        days = timedelta(days=settings.quality_days)

        def report(now: datetime) -> QualityReport:
            plan = self.plans.current()
            share = settings.review_audit_share
            return replace(report_quality(store, now - days, share, plan.costs), plan=plan)

        super().__init__(report)
