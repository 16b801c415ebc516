"""Stores each inspection exactly once, and retrieves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from damage_tasks.errors import DatabaseError, MessageMalformed
from damage_tasks.inspection import Finding, Inspection, Progress, State, Verdict
from damage_tasks.results.cases import completed_case, find_case
from damage_tasks.results.database import create_engine, database_errors, dialect_insert
from damage_tasks.results.decisions import load_reviewed
from damage_tasks.results.delivery import EventType
from damage_tasks.results.outbox import (
    add_event,
    add_verdict,
    with_callback,
    withdraw_failure_event,
)
from damage_tasks.results.progress import (
    delete_progress,
    delete_progress_before,
    find_progress,
    upsert_progress,
)
from damage_tasks.results.rows import (
    damage_row,
    finding_row,
    inspection_row,
    load_finding,
    load_inspection,
)
from damage_tasks.results.search_pages import find_page
from damage_tasks.results.storable_text import storable
from damage_tasks.results.tables import damages, deliveries, findings, inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from damage_tasks.contract import InspectionCriteria

# A message exists for at most 14 days, so older progress is obsolete.
PROGRESS_LIFETIME = timedelta(days=15)


class Inspections:
    """The database of inspections, PostgreSQL or SQLite; one connection per process.

    Every method raises `DatabaseUnavailable` when a later attempt may succeed
    and `DatabaseError` when it will not.
    """

    def __init__(self, url: str, event_targets: Sequence[str] = ()) -> None:
        """Open the database at ``url``; every event is recorded for each of ``event_targets``."""
        self.engine = create_engine(url)
        self.event_targets = tuple(event_targets)
        dialect = self.engine.dialect
        # Built once, because building a statement takes as long as executing it.
        insert = dialect_insert(dialect, inspections)
        self._insert_inspection = insert.on_conflict_do_update(
            index_elements=["id"],
            set_={column.name: column for column in insert.excluded if column.name != "id"},
            # By the time of a later attempt, the photo may be gone from its server.
            where=sa.or_(
                inspections.c.verdict == Verdict.FAILED,
                sa.and_(
                    inspections.c.reason_code == MessageMalformed.code,
                    insert.excluded.reason_code.is_distinct_from(MessageMalformed.code),
                ),
            ),
        ).returning(inspections.c.id)
        self._insert_finding = (
            dialect_insert(dialect, findings)
            .on_conflict_do_nothing(index_elements=["photo_sha256", "bundle_digest"])
            .returning(findings.c.id)
        )

    def close(self) -> None:
        """Close the connection."""
        self.engine.dispose()

    def save(self, inspection: Inspection, callback_url: str | None = None) -> Inspection:
        """Store ``inspection`` with its finding, damaged areas and events, in one transaction.

        The first verdict of a task id is kept, however often it is saved again, unless it
        `may_be_replaced`.  If the photo already has a finding, the inspection refers to that
        one.  If anything was stored, the event is recorded for all targets and for
        ``callback_url``, as are those of later decisions.  Returns the stored inspection.
        """
        with self.transaction() as connection:
            finding_id, stored, is_new = None, inspection, False
            if inspection.finding is not None:
                finding_id, is_new = self._save_finding(connection, inspection)
                if not is_new:
                    finding = load_finding(connection, finding_id)
                    stored = replace(inspection, finding=finding, verdict=finding.verdict)
            row = inspection_row(stored, finding_id, callback_url)
            written = connection.execute(self._insert_inspection, row).scalar()
            if written is None:
                # The finding of a different photo at the same URL: nothing refers to it.
                if is_new:
                    connection.execute(sa.delete(findings).where(findings.c.id == finding_id))
                return load_inspection(connection, _row_of(connection, inspection.id))
            targets = with_callback(self.event_targets, callback_url)
            add_verdict(connection, stored, targets)
            if targets and (case := completed_case(connection, stored)) is not None:
                add_event(
                    connection,
                    EventType.CASE_COMPLETED,
                    case,
                    targets,
                    case_id=storable(inspection.case_id),
                )
        return stored

    def find(self, id: str) -> Inspection | None:
        """The inspection with the task id ``id``."""
        with self.transaction() as connection:
            row = _row_of(connection, id)
            return load_inspection(connection, row) if row else None

    def find_reviewed(self, id: str) -> Inspection | None:
        """The inspection with the task id ``id``, with people's decisions about it."""
        with self.transaction() as connection:
            row = _row_of(connection, id)
            return load_reviewed(connection, [row])[0] if row else None

    def find_outcome(self, id: str) -> Inspection | Progress | None:
        """The inspection with the task id ``id`` and people's decisions about it.

        Until there is an inspection, its progress.
        """
        inspection = self.find_reviewed(id)
        if inspection is not None and not inspection.is_provisional:
            return inspection
        try:
            progress = self.find_progress(id)
        except DatabaseError:  # the database has not been migrated yet
            progress = None
        if inspection is None:
            return progress
        # It was stored when the last attempt began.
        began = inspection.finished_at or datetime.now(UTC)
        if progress is not None and progress.updated_at >= began:
            return progress
        return Progress(id, State.RUNNING, inspection.attempts, began, 0, began, since=began)

    def search(
        self, criteria: InspectionCriteria, limit: int, cursor: str | None = None
    ) -> tuple[list[Inspection], str | None]:
        """At most ``limit`` inspections, newest first, and the cursor of the next page if any.

        Also raises `SearchInvalid`.
        """
        with self.transaction() as connection:
            return find_page(connection, criteria, limit, cursor)

    def find_case(self, case_id: str) -> dict[str, Any] | None:
        """The summary of a case, or None; see `damage_tasks.results.cases`."""
        with self.transaction() as connection:
            return find_case(connection, case_id)

    def find_progress(self, id: str) -> Progress | None:
        """What is known about a photo without a verdict; best effort."""
        with self.transaction() as connection:
            return find_progress(connection, id)

    def save_progress(self, progress: Progress) -> None:
        """Store ``progress``, unless a later attempt stored its own or there is a verdict."""
        with self.transaction() as connection:
            is_stored = upsert_progress(connection, progress)
            if is_stored and progress.state is State.RETRYING:
                add_event(
                    connection,
                    EventType.RETRYING,
                    progress.to_dict(),
                    self.event_targets,
                    inspection_id=progress.id,
                )

    def forget_progress(self, id: str) -> None:
        """Remove the stored progress of ``id``."""
        with self.transaction() as connection:
            delete_progress(connection, id)

    def forget_old_progress(self) -> None:
        """Remove the progress of photos whose messages no longer exist."""
        with self.transaction() as connection:
            delete_progress_before(connection, datetime.now(UTC) - PROGRESS_LIFETIME)

    def withdraw_failure(self, id: str) -> None:
        """Remove a failure that was stored in advance, before an attempt that may be retried."""
        with self.transaction() as connection:
            withdraw_failure_event(connection, id)
            connection.execute(
                sa.delete(inspections).where(
                    inspections.c.id == id,
                    inspections.c.verdict == Verdict.FAILED,
                    inspections.c.final_after.is_not(None),
                )
            )

    def find_finding(self, photo_sha256: str, bundle_digest: str) -> Finding | None:
        """The finding of the bundle with ``bundle_digest`` for the photo, if there is one."""
        with self.transaction() as connection:
            id = connection.execute(_finding_id(photo_sha256, bundle_digest)).scalar()
            return load_finding(connection, id) if id is not None else None

    def counts(self) -> dict[str, int]:
        """The number of inspections by verdict."""
        with self.transaction() as connection:
            rows = connection.execute(
                sa.select(inspections.c.verdict, sa.func.count()).group_by(inspections.c.verdict)
            )
            return {verdict: count for verdict, count in rows}  # noqa: C416  # rows, not pairs

    def check(self) -> None:
        """Read the tables once to verify that they exist and can be reached."""
        with self.transaction() as connection:
            connection.execute(sa.select(inspections.c.id).limit(1)).all()
            connection.execute(sa.select(findings.c.id).limit(1)).all()

    def check_writable(self) -> None:
        """Verify that inspections can be stored: every table, column and privilege that it needs.

        The statements match no row, so nothing is written.
        """
        nothing = sa.false()
        outbox = (deliveries,) if self.event_targets else ()
        with self.transaction() as connection:
            for table in (findings, damages, inspections, *outbox):
                columns = table.columns.keys()
                rows = sa.select(table).where(nothing)
                connection.execute(sa.insert(table).from_select(columns, rows))
            for table in (findings, inspections):
                connection.execute(sa.update(table).where(nothing).values(verdict=table.c.verdict))
            for table in (findings, inspections):
                connection.execute(sa.delete(table).where(nothing))

    def _save_finding(self, connection: Connection, inspection: Inspection) -> tuple[int, bool]:
        finding, photo, bundle = inspection.finding, inspection.photo, inspection.bundle
        assert finding and photo.sha256 and bundle
        id = connection.execute(self._insert_finding, finding_row(inspection)).scalar()
        if id is None:
            known = connection.execute(_finding_id(photo.sha256, bundle.digest)).scalar_one()
            if not inspection.reused:
                _add_pictures(connection, known, finding)
            return known, False
        if finding.damages:
            connection.execute(
                sa.insert(damages),
                [damage_row(id, n, damage) for n, damage in enumerate(finding.damages, 1)],
            )
        return id, True

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection whose changes are committed at the end, or rolled back after an error."""
        with database_errors(), self.engine.begin() as connection:
            yield connection


def _add_pictures(connection: Connection, finding_id: int, finding: Finding) -> None:
    """Store the addresses of pictures that were gone, or were not wanted before.

    Other pictures stay: a worker with other settings may have stored them at the same time.
    """
    stored = {"overlay_url": finding.overlay_url, "mask_url": finding.mask_url}
    stored = {name: address for name, address in stored.items() if address}
    changes = [findings.c[name].is_distinct_from(address) for name, address in stored.items()]
    if stored:
        connection.execute(
            sa.update(findings).where(findings.c.id == finding_id, sa.or_(*changes)).values(stored)
        )


def _row_of(connection: Connection, id: str) -> Any:
    return connection.execute(sa.select(inspections).where(inspections.c.id == id)).one_or_none()


def _finding_id(photo_sha256: str, bundle_digest: str) -> sa.Select[int]:
    return sa.select(findings.c.id).where(
        findings.c.photo_sha256 == photo_sha256, findings.c.bundle_digest == bundle_digest
    )
