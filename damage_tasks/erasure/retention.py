"""Erases what the retention settings say is old, in small batches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from damage_tasks.errors import SettingsError
from damage_tasks.results.picture_expiry import (
    delete_old_decisions,
    findings_in_use,
    old_findings,
    photos_in_use,
    remove_pictures,
)

if TYPE_CHECKING:
    from damage_tasks.erasure.photo_erasure import ErasureReport, PhotoEraser
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings


def check_retention(settings: Settings) -> None:
    """Raise `SettingsError` unless ``settings`` limit how long anything is kept."""
    if not (
        settings.retention_days
        or settings.picture_retention_days
        or settings.decision_retention_days
    ):
        raise SettingsError(
            "DAMAGE_RETENTION_DAYS, DAMAGE_PICTURE_RETENTION_DAYS and "
            "DAMAGE_DECISION_RETENTION_DAYS: all are 0, so nothing expires. Set one of them."
        )


def erase_expired(
    store: Inspections, eraser: PhotoEraser, settings: Settings, report: ErasureReport
) -> None:
    """Erase what has expired, and add it to ``report``; raises as `PhotoEraser.erase` does."""
    now = datetime.now(UTC)
    if settings.retention_days:
        before = now - timedelta(days=settings.retention_days)
        # SQS deletes dead letters sooner than a retention period ends.
        eraser.erase_before(before, report, dead_letters=False)
    if settings.decision_retention_days:
        before = now - timedelta(days=settings.decision_retention_days)
        report.decisions += _erase_decisions(store, before)
    if settings.picture_retention_days:
        before = now - timedelta(days=settings.picture_retention_days)
        _erase_pictures(store, eraser, before, report)


def _erase_decisions(store: Inspections, before: datetime) -> int:
    total = 0
    deleted = 1
    while deleted:
        with store.transaction() as connection:
            deleted = delete_old_decisions(connection, before)
        total += deleted
    return total


def _erase_pictures(
    store: Inspections, eraser: PhotoEraser, before: datetime, report: ErasureReport
) -> None:
    last = None
    while True:
        with store.transaction() as connection:
            rows = old_findings(connection, before, last)
            used = findings_in_use(connection, [row.id for row in rows], before)
            photos = {row.photo_sha256 for row in rows}
            photos -= photos_in_use(connection, photos, before)
        if not rows:
            return
        last = rows[-1]
        old = [row for row in rows if row.id not in used]
        pictures = (url for row in old for url in (row.overlay_url, row.mask_url) if url)
        eraser.erase_objects(photos, pictures, report)
        with store.transaction() as connection:
            remove_pictures(connection, [row.id for row in old])
