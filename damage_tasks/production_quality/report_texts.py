"""The quality report in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from damage_tasks.languages.english_plurals import counted
from damage_tasks.production_quality.agreement import MIN_PHOTOS

if TYPE_CHECKING:
    from damage_tasks.production_quality.estimates import Accuracy, Estimate
    from damage_tasks.production_quality.quality_report import QualityReport
    from damage_tasks.production_quality.review_plan import ReviewPlan

_BAND_ORIGINS = {
    "setting": "DAMAGE_REVIEW_BAND",
    "manifest": "from the bundle's manifest",
    "default": "neither the bundle's manifest nor DAMAGE_REVIEW_BAND says otherwise",
}
_COST_ORIGINS = {"setting": "DAMAGE_REVIEW_COSTS", "manifest": "from the bundle's manifest"}


def rows(report: QualityReport) -> Iterator[tuple[str, Accuracy]]:
    """The figures with their names, those of all photos first."""
    yield "all photos", report.overall
    for kind, groups in report.by.items():
        for value, accuracy in groups.items():
            yield f"{kind} {value}", accuracy


def shown(estimate: Estimate | None) -> str:
    """A share with its interval, as text."""
    if estimate is None:
        return "unknown"
    value, low, high = (f"{100 * share:.1f}" for share in
                        (estimate.value, estimate.low, estimate.high))  # fmt: skip
    return f"{value} % ({low} to {high})"


def title(report: QualityReport) -> str:
    """What the report is about."""
    return f"photos examined since {report.since:%Y-%m-%d %H:%M %Z}"


def summary(report: QualityReport) -> Iterator[str]:
    """The most important figures, as lines."""
    found = report.overall
    yield f"photos: {found.photos}, decisions used: {found.labelled}"
    yield f"precision (95 %): {shown(found.precision)}"
    yield f"recall (95 %): {shown(found.recall)}"
    yield _decided(report)


def sentences(report: QualityReport) -> Iterator[str]:
    """What people do, what it costs and what it saves, in words."""
    work = report.people
    if report.photos_are_estimated:
        yield "The numbers of photos are estimated from a sample."
    yield (
        '"Decisions used" counts the photos whose decisions these estimates use: all of them where '
        "people decided about at least half of the photos with the same verdict and a similar "
        "score, elsewhere only those of the random audit. Photos for which another photo was "
        "requested are not counted."
    )
    if report.plan is not None:
        yield " ".join(_plan(report.plan))
    yield (
        f"{100 * work.unsure:.1f} % of the photos are in the review band, and "
        f"{100 * work.poor:.1f} % are of poor quality."
    )
    yield _decided(report)
    yield " ".join(_agreement(report))
    if (money := report.money) is not None:
        yield (
            f"People's time cost {money.time:,.2f}, and the errors that they corrected would have "
            f"cost {money.errors:,.2f}: {money.saved:,.2f} saved. Looking at every photo in the "
            f"review band takes {money.band_hours:.1f} hours and costs {money.band:,.2f}."
        )


def _decided(report: QualityReport) -> str:
    work = report.people
    took = f" in {work.hours:.1f} hours" if work.seconds is not None else ""
    return (
        f"People decided about {counted(work.decided, 'photo')}{took}, {report.audited} of them "
        f"drawn by the random audit: they found {counted(work.found, 'damaged photo')} that the "
        f"networks had missed, and cleared {counted(work.cleared, 'false alarm')}."
    )


def _plan(plan: ReviewPlan) -> Iterator[str]:
    low, high = (100 * limit for limit in plan.band)
    yield (
        f"Photos with a damage score from {low:.0f} % to {high:.0f} % go to people "
        f"({_BAND_ORIGINS[plan.band_origin]})."
    )
    if plan.costs is not None:
        missed, false_alarm, minute = plan.costs
        yield (
            f"A missed damaged photo costs {missed:g}, a false alarm {false_alarm:g} and a minute "
            f"of an inspector {minute:g} ({_COST_ORIGINS[plan.costs_origin]})."
        )
    if (found := plan.expected) is not None:
        yield (
            f"On validation photos, that is {100 * found.share:.1f} % of the photos: for 1000 "
            f"photos, people need {found.hours:.1f} hours, and {found.missed:.1f} missed damaged "
            f"photos and {found.false_alarms:.1f} false alarms remain."
        )
        without = found.without_people
        instead = "" if without is None else f", instead of {without:,.2f} if nobody looks"
        yield f"Errors and people's time cost {found.cost:,.2f} together{instead}."


def _agreement(report: QualityReport) -> Iterator[str]:
    found = report.agreement
    yield f"At least two people gave a verdict on {counted(found.photos, 'photo')}."
    if found.share is None:
        return
    yield f"The first and the last of them agree on damaged or clean: {shown(found.share)}."
    if found.kappa is None:
        yield f"Cohen's kappa needs {MIN_PHOTOS} photos, and both damaged and clean ones."
    else:
        yield f"Cohen's kappa is {found.kappa:.2f} (1: always, 0: as often as by chance)."
