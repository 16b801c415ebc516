"""The progress of photos without a verdict, in a separate table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from damage_tasks.inspection import Progress, Reason, State, Verdict
from damage_tasks.results.database import dialect_insert
from damage_tasks.results.storable_text import storable
from damage_tasks.results.tables import MAX_WORKER_CHARACTERS, inspections, progress

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection


def upsert_progress(connection: Connection, what: Progress) -> bool:
    """Store ``what``, unless a later attempt has stored its own or the photo has a verdict.

    Returns whether it was stored.
    """
    row = _row(what)
    has_ended = sa.exists().where(
        inspections.c.id == what.id,
        # A failure stored before the last attempt is not a verdict yet.
        sa.or_(inspections.c.verdict != Verdict.FAILED, inspections.c.final_after.is_(None)),
    )
    values = sa.select(
        *(sa.literal(value, progress.c[name].type).label(name) for name, value in row.items())
    ).where(~has_ended)
    insert = dialect_insert(connection.dialect, progress).from_select(list(row), values)
    new = insert.excluded
    changed: dict[str, Any] = {name: new[name] for name in row if name != "id"}
    changed["had_photo"] = sa.or_(progress.c.had_photo, new.had_photo)
    # A retry is a new message, so its receives start again at 1.
    is_older = sa.or_(
        progress.c.message_sent_at < new.message_sent_at,
        sa.and_(
            progress.c.message_sent_at == new.message_sent_at, progress.c.receives <= new.receives
        ),
    )
    done = connection.execute(
        insert.on_conflict_do_update(index_elements=["id"], set_=changed, where=is_older)
    )
    return bool(done.rowcount)


def find_progress(connection: Connection, id: str) -> Progress | None:
    """The progress of the photo with the task id ``id``."""
    row = connection.execute(sa.select(progress).where(progress.c.id == id)).one_or_none()
    if row is None:
        return None
    return Progress(
        id=row.id,
        state=State(row.state),
        attempts=row.attempts,
        message_sent_at=row.message_sent_at,
        receives=row.receives,
        updated_at=row.updated_at,
        reason=Reason(row.reason_code, row.reason_text) if row.reason_code else None,
        next_attempt_at=row.next_attempt_at,
        had_photo=row.had_photo,
        worker=row.worker,
        since=row.since,
    )


def delete_progress(connection: Connection, id: str) -> None:
    """Remove the progress of the photo with the task id ``id``, which has ended."""
    connection.execute(sa.delete(progress).where(progress.c.id == id))


def delete_progress_before(connection: Connection, moment: datetime) -> None:
    """Remove progress that has not changed since ``moment``."""
    connection.execute(sa.delete(progress).where(progress.c.updated_at < moment))


def _row(what: Progress) -> dict[str, Any]:
    return {
        "id": what.id,
        "state": str(what.state),
        "attempts": what.attempts,
        "message_sent_at": what.message_sent_at,
        "receives": what.receives,
        "reason_code": what.reason.code if what.reason else None,
        "reason_text": storable(what.reason.text) if what.reason else None,
        "next_attempt_at": what.next_attempt_at,
        "had_photo": what.had_photo,
        "updated_at": what.updated_at,
        "worker": what.worker and what.worker[:MAX_WORKER_CHARACTERS],
        "since": what.since,
    }
