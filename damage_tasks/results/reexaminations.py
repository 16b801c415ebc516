"""Which past photos a rerun is putting through another bundle, and how that ended.

A photo is examined by the worker that has claimed it, so that a message that is sent or delivered
twice is examined once.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from damage_tasks.results.database import dialect_insert
from damage_tasks.results.erasure_locks import keep_photo
from damage_tasks.results.storable_text import storable
from damage_tasks.results.tables import inspections, reexaminations

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from damage_tasks.errors import DamageTaskError

_r = reexaminations.c


class Outcome(NamedTuple):
    """How the examination of a photo ended; ``reason_code`` is None unless it failed.

    ``source`` is ``kept`` or ``url``, or None if the bundle had examined the photo before.
    """

    photo_sha256: str
    source: str | None
    reason_code: str | None
    reason_text: str | None


def claim(
    connection: Connection, photo_sha256: str, bundle_digest: str, duration: timedelta
) -> int | None:
    """Reserve the photo for the caller, who examines it within ``duration``.

    Returns the number of this attempt, counted from 1.  None if another worker has claimed the
    photo, if its examination has ended, or if no inspection refers to it any more.
    """
    now = datetime.now(UTC)
    if not keep_photo(connection, photo_sha256):
        return None
    insert = dialect_insert(connection.dialect, reexaminations).values(
        photo_sha256=photo_sha256,
        bundle_digest=bundle_digest,
        claimed_until=now + duration,
        attempts=1,
    )
    statement = insert.on_conflict_do_update(
        index_elements=["photo_sha256", "bundle_digest"],
        set_={"claimed_until": insert.excluded.claimed_until, "attempts": _r.attempts + 1},
        where=sa.and_(_r.ended_at.is_(None), _r.claimed_until <= now),
    ).returning(_r.attempts)
    return connection.execute(statement).scalar()


def release(connection: Connection, photo_sha256: str, bundle_digest: str) -> None:
    """Give up a claim because of a temporary error, as if it had not been made."""
    connection.execute(
        sa.update(reexaminations)
        .where(*_is(photo_sha256, bundle_digest), _r.ended_at.is_(None))
        .values(claimed_until=datetime.now(UTC), attempts=_r.attempts - 1)
    )


def record_end(
    connection: Connection,
    photo_sha256: str,
    bundle_digest: str,
    *,
    source: str | None = None,
    error: DamageTaskError | None = None,
) -> None:
    """Record that the examination of a claimed photo has ended, because of ``error`` if it failed.

    ``source`` says where the bytes came from, see `Outcome`.
    """
    connection.execute(
        sa.update(reexaminations)
        .where(*_is(photo_sha256, bundle_digest))
        .values(
            ended_at=datetime.now(UTC),
            source=source,
            reason_code=error.code if error else None,
            reason_text=storable(str(error)) if error else None,
        )
    )


def ended_among(
    connection: Connection, photos: Collection[str], bundle_digest: str
) -> list[Outcome]:
    """The outcomes of those of ``photos`` (digests) whose examination has ended."""
    columns = (_r.photo_sha256, _r.source, _r.reason_code, _r.reason_text)
    query = sa.select(*columns).where(
        _r.bundle_digest == bundle_digest, _r.photo_sha256.in_(photos), _r.ended_at.is_not(None)
    )
    return [Outcome(*row) for row in connection.execute(query)]


def abandoned_among(
    connection: Connection, photos: Collection[str], bundle_digest: str
) -> list[str]:
    """Those of ``photos`` whose worker did not finish within the time of its claim."""
    query = sa.select(_r.photo_sha256).where(
        _r.bundle_digest == bundle_digest,
        _r.photo_sha256.in_(photos),
        _r.ended_at.is_(None),
        _r.claimed_until <= datetime.now(UTC),
    )
    return list(connection.execute(query).scalars())


def forget_failures(connection: Connection, photos: Collection[str], bundle_digest: str) -> None:
    """Delete the failures of ``photos``, so that they are examined again."""
    connection.execute(
        sa.delete(reexaminations).where(
            _r.bundle_digest == bundle_digest,
            _r.photo_sha256.in_(photos),
            _r.reason_code.is_not(None),
        )
    )


def delete_reexaminations(connection: Connection, photos: Collection[str]) -> None:
    """Delete the rows of those of ``photos`` (digests) that no inspection refers to."""
    is_used = sa.exists().where(inspections.c.photo_sha256 == _r.photo_sha256)
    connection.execute(sa.delete(reexaminations).where(_r.photo_sha256.in_(photos), ~is_used))


def _is(photo_sha256: str, bundle_digest: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _r.photo_sha256 == photo_sha256, _r.bundle_digest == bundle_digest
