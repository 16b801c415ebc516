"""Column types that PostgreSQL and SQLite store in their own ways."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, String, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB

from damage_tasks.inspection_id import MAX_ID_BYTES

Json = JSON().with_variant(JSONB(), "postgresql")
# SQLite ignores lengths, and could change one only by copying the table.
Id = String(MAX_ID_BYTES).with_variant(String(128), "sqlite")
# SQLite only generates row numbers if the key is INTEGER.
Key = BigInteger().with_variant(Integer(), "sqlite")


class Moment(TypeDecorator[datetime]):
    """A point in time in UTC; SQLite itself does not store the time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
