"""Converts between domain values and table rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from damage_tasks.damage import Damage, Severity
from damage_tasks.inspection import Finding, Inspection, PhotoFacts, Quality, Reason, Verdict
from damage_tasks.results.storable_text import storable
from damage_tasks.results.tables import damages, findings
from model_store.identity import BundleIdentity

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row


def inspection_row(
    inspection: Inspection, finding_id: int | None, callback_url: str | None = None
) -> dict[str, Any]:
    """The row of ``inspections``."""
    photo, bundle, reason = inspection.photo, inspection.bundle, inspection.reason
    return {
        "id": inspection.id,
        "photo_url": storable(inspection.photo_url),
        "photo_sha256": photo.sha256,
        "photo_bytes": photo.bytes,
        "photo_width": photo.width,
        "photo_height": photo.height,
        "camera": photo.camera,
        "verdict": str(inspection.verdict),
        "damage_score": inspection.finding.damage_score if inspection.finding else None,
        "reason_code": reason.code if reason else None,
        "reason_text": storable(reason.text) if reason else None,
        "finding_id": finding_id,
        "reused": inspection.reused,
        "bundle_name": bundle.name if bundle else None,
        "bundle_version": bundle.version if bundle else None,
        "bundle_digest": bundle.digest if bundle else None,
        "timings_ms": {k: round(v, 1) for k, v in inspection.timings_ms.items()},
        "attempts": inspection.attempts,
        "metadata": storable_json(inspection.metadata),
        "finished_at": inspection.finished_at or datetime.now(UTC),
        "final_after": inspection.final_after,
        "case_id": storable(inspection.case_id),
        "case_photos": inspection.case_photos,
        "callback_url": callback_url,
        "is_unsure": inspection.is_unsure,
        "is_poor": inspection.finding is not None and inspection.finding.is_of_poor_photo,
    }


def storable_json(value: Any) -> Any:
    """``value`` with every text in it in the form of `storable`."""
    if isinstance(value, Mapping):
        return {storable(str(key)): storable_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(item) for item in value]
    return storable(value) if isinstance(value, str) else value


def finding_row(inspection: Inspection) -> dict[str, Any]:
    """The row of ``findings`` for an inspection that has a finding."""
    finding, photo, bundle = inspection.finding, inspection.photo, inspection.bundle
    assert finding and photo.sha256 and bundle
    width, height = finding.photo_size
    return {
        "photo_sha256": photo.sha256,
        "bundle_digest": bundle.digest,
        "verdict": str(finding.verdict),
        "damage_score": finding.damage_score,
        "decided_by": finding.decided_by,
        "scores": dict(finding.scores),
        "reason_code": finding.reason.code if finding.reason else None,
        "reason_text": finding.reason.text if finding.reason else None,
        "photo_width": width,
        "photo_height": height,
        "camera": finding.camera,
        "quality": _quality_row(finding.quality),
        "overlay_url": finding.overlay_url,
        "mask_url": finding.mask_url,
        "created_at": datetime.now(UTC),
    }


def damage_row(finding_id: int, number: int, damage: Damage) -> dict[str, Any]:
    """The row of ``damages`` for damage ``number`` of a finding."""
    x, y, width, height = damage.bbox
    return {
        "finding_id": finding_id,
        "number": number,
        "type": damage.type,
        "confidence": damage.confidence,
        "severity": str(damage.severity),
        "area_px": damage.area_px,
        "area_ratio": damage.area_ratio,
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "polygon": [list(corner) for corner in damage.polygon],
    }


def _quality_row(quality: Quality | None) -> dict[str, Any] | None:
    if quality is None:
        return None
    return {
        "blur": quality.blur,
        "brightness": quality.brightness,
        "verdict": quality.verdict,
        "reasons": list(quality.reasons),
    }


def load_inspection(connection: Connection, row: Row[Any]) -> Inspection:
    """The inspection in a row of ``inspections``, including its finding."""
    return load_inspections(connection, [row])[0]


def load_inspections(connection: Connection, rows: Sequence[Row[Any]]) -> list[Inspection]:
    """The inspections in rows of ``inspections``, including their findings."""
    ids = {row.finding_id for row in rows if row.finding_id is not None}
    found = _load_findings(connection, ids)
    return [_inspection_of(row, found.get(row.finding_id)) for row in rows]


def _inspection_of(row: Row[Any], finding: Finding | None) -> Inspection:
    bundle = None
    if row.bundle_digest:
        bundle = BundleIdentity(row.bundle_name, row.bundle_version, row.bundle_digest)
    return Inspection(
        id=row.id,
        photo_url=row.photo_url,
        photo=PhotoFacts(
            row.photo_sha256, row.photo_bytes, row.photo_width, row.photo_height, row.camera
        ),
        verdict=Verdict(row.verdict),
        finding=finding,
        reason=_reason_of(row),
        bundle=bundle,
        timings_ms=row.timings_ms,
        attempts=row.attempts,
        metadata=row.metadata,
        finished_at=row.finished_at,
        reused=row.reused,
        final_after=row.final_after,
        case_id=row.case_id,
        case_photos=row.case_photos,
        is_unsure=row.is_unsure,
    )


def load_finding(connection: Connection, id: int) -> Finding:
    """The finding ``id`` with its damaged areas."""
    return _load_findings(connection, {id})[id]


def _load_findings(connection: Connection, ids: Collection[int]) -> dict[int, Finding]:
    if not ids:
        return {}
    found: dict[int, list[Damage]] = {id: [] for id in ids}
    areas = sa.select(damages).where(damages.c.finding_id.in_(ids)).order_by(damages.c.number)
    for area in connection.execute(areas):
        found[area.finding_id].append(_damage_of(area))
    rows = connection.execute(sa.select(findings).where(findings.c.id.in_(ids)))
    return {row.id: _finding_of(row, found[row.id]) for row in rows}


def _finding_of(row: Row[Any], found: Sequence[Damage]) -> Finding:
    quality = row.quality and Quality(
        row.quality["blur"],
        row.quality["brightness"],
        row.quality["verdict"],
        tuple(row.quality["reasons"]),
    )
    return Finding(
        verdict=Verdict(row.verdict),
        damage_score=row.damage_score,
        decided_by=row.decided_by,
        photo_size=(row.photo_width, row.photo_height),
        scores=row.scores,
        damages=tuple(found),
        reason=_reason_of(row),
        quality=quality,
        overlay_url=row.overlay_url,
        mask_url=row.mask_url,
        camera=row.camera,
    )


def _damage_of(row: Row[Any]) -> Damage:
    return Damage(
        type=row.type,
        confidence=row.confidence,
        severity=Severity(row.severity),
        area_px=row.area_px,
        area_ratio=row.area_ratio,
        bbox=(row.x, row.y, row.width, row.height),
        polygon=tuple((x, y) for x, y in row.polygon),
    )


def _reason_of(row: Row[Any]) -> Reason | None:
    return Reason(row.reason_code, row.reason_text) if row.reason_code else None
