"""What other bundles find on photos that have a verdict: it is compared, and never counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from damage_tasks.inspection import Finding, Verdict
from damage_tasks.results.database import dialect_insert
from damage_tasks.results.erasure_locks import keep_photo
from damage_tasks.results.tables import comparison_findings, findings, inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from model_store.identity import BundleIdentity


def is_examined(connection: Connection, photo_sha256: str, bundle_digest: str) -> bool:
    """Whether the bundle has examined the photo, for a verdict or only for a comparison."""
    known = [
        sa.exists().where(
            table.c.photo_sha256 == photo_sha256, table.c.bundle_digest == bundle_digest
        )
        for table in (findings, comparison_findings)
    ]
    known[1] = known[1].where(comparison_findings.c.verdict != Verdict.FAILED)
    return bool(connection.execute(sa.select(sa.or_(*known))).scalar())


def save_comparison_finding(
    connection: Connection,
    photo_sha256: str,
    bundle: BundleIdentity,
    finding: Finding,
    timings_ms: Mapping[str, float],
) -> bool:
    """Store what ``bundle`` found on the photo; False if its inspections have been erased.

    What is stored for the photo and the bundle already is kept, except for a failure.
    """
    if not keep_photo(connection, photo_sha256):
        return False
    width, height = finding.photo_size
    insert = dialect_insert(connection.dialect, comparison_findings)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["photo_sha256", "bundle_digest"],
            set_={column.name: column for column in insert.excluded if not column.primary_key},
            where=comparison_findings.c.verdict == Verdict.FAILED,
        ),
        {
            "photo_sha256": photo_sha256,
            "bundle_digest": bundle.digest,
            "bundle_name": bundle.name,
            "bundle_version": bundle.version,
            "verdict": str(finding.verdict),
            "damage_score": finding.damage_score,
            "photo_width": width,
            "photo_height": height,
            "damages": [asdict(damage) for damage in finding.damages],
            "timings_ms": {stage: round(spent, 1) for stage, spent in timings_ms.items()},
            "examined_at": datetime.now(UTC),
        },
    )
    return True


def save_comparison_failure(
    connection: Connection, photo_sha256: str, bundle: BundleIdentity
) -> None:
    """Store that ``bundle`` failed on the photo, unless its inspections have been erased."""
    failure = Finding(Verdict.FAILED, damage_score=0.0, decided_by="", photo_size=(0, 0))
    save_comparison_finding(connection, photo_sha256, bundle, failure, {})


def delete_comparison_findings(connection: Connection, photos: Collection[str]) -> None:
    """Delete what was found on those of ``photos`` (digests) that no inspection refers to."""
    is_used = sa.exists().where(inspections.c.photo_sha256 == comparison_findings.c.photo_sha256)
    connection.execute(
        sa.delete(comparison_findings).where(
            comparison_findings.c.photo_sha256.in_(photos), ~is_used
        )
    )
