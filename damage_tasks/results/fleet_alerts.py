"""Which worker posts an alert about something that every worker meets, such as a damaged bundle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from damage_tasks.results.database import dialect_insert
from damage_tasks.results.storable_text import storable
from damage_tasks.results.tables import MAX_SUBJECT_CHARACTERS, fleet_alerts

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

CLAIM_LIFETIME = timedelta(days=1)


def claim_alert(connection: Connection, subject: str, now: datetime | None = None) -> bool:
    """Whether the caller is the first within a day to post an alert about ``subject``."""
    now = now or datetime.now(UTC)
    connection.execute(
        sa.delete(fleet_alerts).where(fleet_alerts.c.claimed_at <= now - CLAIM_LIFETIME)
    )
    insert = dialect_insert(connection.dialect, fleet_alerts).values(
        subject=storable(subject[:MAX_SUBJECT_CHARACTERS]), claimed_at=now
    )
    claimed = insert.on_conflict_do_nothing(index_elements=["subject"]).returning(
        fleet_alerts.c.subject
    )
    return connection.execute(claimed).scalar() is not None
