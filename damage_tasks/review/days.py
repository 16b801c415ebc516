"""Days of a time zone, which may have 23 or 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


def midnight(zone: str, now: datetime | None = None) -> datetime:
    """When the day of ``now`` began in the time zone ``zone``, in UTC."""
    local = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone))
    return begin_of(local.date(), zone)


def begin_of(day: date, zone: str) -> datetime:
    """When ``day`` begins in the time zone ``zone``, in UTC; raises `OverflowError`."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
