"""The quality in production: precision and recall, also of some of the photos; people's work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from damage_tasks.production_quality.agreement import Agreement, agreement
from damage_tasks.production_quality.estimates import Accuracy, Label, Stratum, estimate
from damage_tasks.results.quality_counts import (
    DecidedPhoto,
    PhotoKind,
    count_photos,
    find_decided,
)
from damage_tasks.results.quality_sample import find_makes, sample_photos

if TYPE_CHECKING:
    from damage_tasks.production_quality.review_plan import ReviewPlan
    from damage_tasks.results.store import Inspections

Counts = Mapping[PhotoKind, int]
Costs = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PeoplesWork:
    """What goes to people, and what comes of it.

    ``unsure`` and ``poor``: shares (0 to 1) of all photos; ``decided``: photos that people decided
    about; ``seconds``: the median for one, None if unknown; ``found``: damaged photos among them
    that the networks had missed; ``cleared``: false alarms.
    """

    unsure: float
    poor: float
    decided: int
    seconds: float | None
    found: int
    cleared: int

    @property
    def hours(self) -> float:
        """How long people have worked."""
        return self.decided * (self.seconds or 0.0) / 3600


@dataclass(frozen=True, slots=True)
class Money:
    """What people's decisions cost and save, in the currency of DAMAGE_REVIEW_COSTS.

    ``time``: the cost of people's time; ``errors``: what the errors that they corrected would have
    cost; ``band_hours`` and ``band``: the time to look at every photo in the review band, and what
    it costs.
    """

    time: float
    errors: float
    band_hours: float
    band: float

    @property
    def saved(self) -> float:
        """What is left of the avoided costs; negative if people cost more than they save."""
        return self.errors - self.time


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The quality of photos examined since ``since``.

    ``by`` has the same figures by ``type`` (whether the photo shows damage of the type),
    ``light``, ``camera`` (make) and ``bundle``; ``audited`` is the number of decided photos that
    the audit drew. ``agreement`` is that of two people about the same photos. ``money`` is None if
    no costs are set, or nobody has decided. ``plan`` is how photos are chosen for people now.
    ``photos_are_estimated``: whether the numbers of photos are estimates from a sample.
    """

    since: datetime
    made_at: datetime
    overall: Accuracy
    by: Mapping[str, Mapping[str, Accuracy]]
    people: PeoplesWork
    audited: int
    agreement: Agreement
    money: Money | None = None
    plan: ReviewPlan | None = None
    photos_are_estimated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "since": self.since.isoformat(),
            "made_at": self.made_at.isoformat(),
            "overall": self.overall.to_dict(),
            "by": {
                kind: {value: accuracy.to_dict() for value, accuracy in groups.items()}
                for kind, groups in self.by.items()
            },
            "people": {**asdict(self.people), "hours": self.people.hours},
            "audited": self.audited,
            "agreement": asdict(self.agreement),
            "money": asdict(self.money) if self.money else None,
            "plan": self.plan.to_dict() if self.plan else None,
            "photos_are_estimated": self.photos_are_estimated,
        }


def report_quality(
    store: Inspections, since: datetime, audit_share: float, costs: Costs | None = None
) -> QualityReport:
    """The quality since ``since``; ``audit_share`` is DAMAGE_REVIEW_AUDIT_SHARE.

    ``costs`` are DAMAGE_REVIEW_COSTS: those of a missed damaged photo, of a false alarm and of a
    minute of an inspector.
    Raises `DatabaseUnavailable` or `DatabaseError`.
    """
    with store.transaction() as connection:
        sample = sample_photos(connection, since)
        makes = find_makes(connection, sample)
        photos, types = count_photos(connection, sample, makes)
        decided = list(find_decided(connection, since, audit_share, makes))
    people = _work(photos, decided)
    return QualityReport(
        since=since,
        made_at=datetime.now(UTC),
        overall=_of_photos(photos, decided),
        by={
            "type": dict(_by_type(photos, types, decided)),
            "light": dict(_by(photos, decided, "light")),
            "camera": dict(_by(photos, decided, "camera")),
            "bundle": dict(_by(photos, decided, "bundle")),
        },
        people=people,
        audited=sum(photo.is_audited for photo in decided),
        agreement=agreement(photo.verdicts for photo in decided if photo.verdicts),
        money=_money(people, sum(photos.values()), costs) if costs else None,
        photos_are_estimated=len(sample.intervals) > 1,
    )


def _of_photos(photos: Counts, decided: Iterable[DecidedPhoto]) -> Accuracy:
    return estimate(
        _added((_stratum(kind, found=kind.found), number) for kind, number in photos.items()),
        (
            Label(_stratum(photo.kind, found=photo.kind.found), photo.is_audited, photo.damaged)
            for photo in decided
            if photo.damaged is not None
        ),
    )


def _by(
    photos: Counts, decided: Iterable[DecidedPhoto], name: str
) -> Iterator[tuple[str, Accuracy]]:
    decided = list(decided)
    for value in sorted({getattr(kind, name) for kind in photos}):
        some = {kind: number for kind, number in photos.items() if getattr(kind, name) == value}
        yield value, _of_photos(some, [p for p in decided if getattr(p.kind, name) == value])


def _by_type(
    photos: Counts, types: Mapping[str, Counts], decided: Iterable[DecidedPhoto]
) -> Iterator[tuple[str, Accuracy]]:
    decided = [photo for photo in decided if photo.damaged is not None]
    known = {*types, *(type for photo in decided for type in photo.true_types)}
    for type in sorted(known):
        # Damaged areas of photos whose verdict is clean are not found.
        found = {kind: n for kind, n in types.get(type, {}).items() if kind.found}
        strata = _added(
            (_stratum(kind, found=is_found), number)
            for kind, total in photos.items()
            for is_found, number in (
                (True, found.get(kind, 0)),
                (False, total - found.get(kind, 0)),
            )
            if number
        )
        labels = (
            Label(
                _stratum(photo.kind, found=type in photo.found_types),
                photo.is_audited,
                type in photo.true_types,
            )
            for photo in decided
        )
        yield type, estimate(strata, labels)


def _work(photos: Counts, decided: list[DecidedPhoto]) -> PeoplesWork:
    total = sum(photos.values()) or 1
    seconds = [photo.seconds for photo in decided if photo.seconds is not None]
    return PeoplesWork(
        unsure=sum(n for kind, n in photos.items() if kind.is_unsure) / total,
        poor=sum(n for kind, n in photos.items() if kind.is_poor) / total,
        decided=len(decided),
        seconds=median(seconds) if seconds else None,
        found=sum(photo.damaged is True and not photo.kind.found for photo in decided),
        cleared=sum(photo.damaged is False and photo.kind.found for photo in decided),
    )


def _money(work: PeoplesWork, photos: int, costs: Costs) -> Money | None:
    if work.seconds is None:
        return None
    missed, false_alarm, minute = costs
    hours_of_band = work.unsure * photos * work.seconds / 3600
    return Money(
        time=60 * work.hours * minute,
        errors=work.found * missed + work.cleared * false_alarm,
        band_hours=hours_of_band,
        band=60 * hours_of_band * minute,
    )


def _stratum(kind: PhotoKind, *, found: bool) -> Stratum:
    return Stratum(found, (kind.found, kind.is_unsure), kind.step)


def _added(numbers: Iterable[tuple[Stratum, int]]) -> dict[Stratum, int]:
    found: dict[Stratum, int] = {}
    for stratum, number in numbers:
        found[stratum] = found.get(stratum, 0) + number
    return found
