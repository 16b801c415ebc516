"""Photos that two bundles have examined, for a verdict or only for a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from damage_tasks.damage import Damage, Severity
from damage_tasks.decision import counting, final_verdict
from damage_tasks.inspection import Inspection, Verdict, computing_seconds
from damage_tasks.results.decisions import load_reviewed
from damage_tasks.results.tables import comparison_findings, inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

BATCH = 500
MAX_PHOTOS = 20_000


@dataclass(frozen=True, slots=True)
class BundleFinding:
    """What one bundle found on a photo; ``seconds`` is None if the finding was reused."""

    verdict: Verdict
    damage_score: float
    damages: tuple[Damage, ...]
    photo_size: tuple[int, int]  # width, height
    seconds: float | None

    @property
    def is_damaged(self) -> bool:
        """Whether the bundle found damage."""
        return self.verdict is Verdict.DAMAGED


@dataclass(frozen=True, slots=True)
class PhotoPair:
    """What two bundles found on one photo; ``damaged`` is what people decided, else None."""

    photo_sha256: str
    old: BundleFinding
    new: BundleFinding
    damaged: bool | None


@dataclass(frozen=True, slots=True)
class ExaminedPhotos:
    """Digests of the photos that the version ``old``, and ``new``, have examined.

    ``failed`` are those on which ``new`` failed in a shadow or a rerun, and never succeeded.
    """

    old: AbstractSet[str]
    new: AbstractSet[str]
    failed: AbstractSet[str]

    @property
    def in_common(self) -> list[str]:
        """At most `MAX_PHOTOS` that ``old`` has examined, and ``new`` examined or failed on."""
        return sorted(self.old & (self.new | self.failed))[:MAX_PHOTOS]

    @property
    def failures(self) -> int:
        """On how many photos in common ``new`` failed."""
        return len(self.failed & set(self.in_common))


def find_examined(connection: Connection, old: str, new: str, since: datetime) -> ExaminedPhotos:
    """The photos that the versions ``old`` and ``new`` have examined since ``since``."""
    d = comparison_findings.c
    query = sa.select(d.photo_sha256).where(
        d.bundle_version == new, d.examined_at >= since, d.verdict == Verdict.FAILED
    )
    by_new = _examined(connection, new, since)
    failed = set(connection.execute(query).scalars()) - by_new
    return ExaminedPhotos(_examined(connection, old, since), by_new, failed)


def find_pairs(
    connection: Connection, photos: ExaminedPhotos, old: str, new: str
) -> Iterator[PhotoPair]:
    """What both versions found on the photos in common on which ``new`` did not fail."""
    chosen = [photo for photo in photos.in_common if photo not in photos.failed]
    for start in range(0, len(chosen), BATCH):
        yield from _load(connection, chosen[start : start + BATCH], old, new)


def _examined(connection: Connection, version: str, since: datetime) -> set[str]:
    c, d = inspections.c, comparison_findings.c
    counted = sa.select(c.photo_sha256).where(
        c.bundle_version == version, c.finished_at >= since, c.finding_id.is_not(None)
    )
    compared = sa.select(d.photo_sha256).where(
        d.bundle_version == version, d.examined_at >= since, d.verdict != Verdict.FAILED
    )
    return set(connection.execute(sa.union(counted, compared)).scalars())


def _load(connection: Connection, photos: list[str], old: str, new: str) -> Iterator[PhotoPair]:
    found: dict[tuple[str, str], BundleFinding] = {}
    decided: dict[str, bool] = {}
    rows = connection.execute(
        sa.select(comparison_findings).where(
            comparison_findings.c.photo_sha256.in_(photos),
            comparison_findings.c.bundle_version.in_([old, new]),
            comparison_findings.c.verdict != Verdict.FAILED,
        )
    )
    for row in rows:
        found[row.photo_sha256, row.bundle_version] = _compared(row)
    counted = connection.execute(
        sa.select(inspections)
        .where(inspections.c.photo_sha256.in_(photos), inspections.c.finding_id.is_not(None))
        .order_by(inspections.c.finished_at)
    ).all()
    for inspection in load_reviewed(connection, counted):
        photo, bundle = inspection.photo.sha256 or "", inspection.bundle
        if bundle is not None:
            found[photo, bundle.version] = _counted(inspection)
        damaged = _decision_about(inspection)
        if damaged is not None:
            decided[photo] = damaged
    for photo in photos:
        if (photo, old) in found and (photo, new) in found:
            yield PhotoPair(photo, found[photo, old], found[photo, new], decided.get(photo))


def _decision_about(inspection: Inspection) -> bool | None:
    made = counting(inspection.decisions)
    assert inspection.finding is not None
    final = final_verdict(inspection.verdict, len(inspection.finding.damages), made)
    return None if not made or final is None else final == Verdict.DAMAGED


def _counted(inspection: Inspection) -> BundleFinding:
    finding = inspection.finding
    assert finding is not None
    seconds = None if inspection.reused else computing_seconds(inspection.timings_ms)
    return BundleFinding(
        finding.verdict, finding.damage_score, finding.damages, finding.photo_size, seconds or None
    )


def _compared(row: Row[Any]) -> BundleFinding:
    return BundleFinding(
        Verdict(row.verdict),
        row.damage_score,
        tuple(_damage(each) for each in row.damages),
        (row.photo_width, row.photo_height),
        computing_seconds(row.timings_ms) or None,
    )


def _damage(values: dict[str, Any]) -> Damage:
    x, y, width, height = values["bbox"]
    return Damage(
        **{
            **values,
            "severity": Severity(values["severity"]),
            "bbox": (x, y, width, height),
            "polygon": tuple((x, y) for x, y in values["polygon"]),
        }
    )
