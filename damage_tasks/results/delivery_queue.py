"""The deliveries of events: claimed, recorded, listed, replayed and dropped.

Every method is one short transaction, without locks that outlive it, so that a pooler can stand in
front of the database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from damage_tasks.results.database import create_engine, database_errors, dialect_insert
from damage_tasks.results.delivery import (
    Backlog,
    Delivery,
    DeliverySelection,
    DeliveryState,
    Outcome,
)
from damage_tasks.results.tables import deliveries, disabled_targets

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

DELETED_AT_ONCE = 5000  # rows
# Metrics count the backlog every few seconds. More says no more than this many.
MAX_COUNTED = 100_000
TARGET_DISABLED = "the target is disabled, because it answered 410 Gone"

_is_waiting = deliveries.c.state == DeliveryState.WAITING


class DeliveryQueue:
    """The deliveries in the database at ``url``.

    Every method raises `DatabaseUnavailable` or `DatabaseError`.
    """

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)

    def close(self) -> None:
        """Close the connection."""
        self.engine.dispose()

    def due_destinations(self) -> list[str]:
        """The destinations for which deliveries are due, the one that waits longest first."""
        waiting = _waiting_destinations()
        with self._transaction() as connection:
            rows = connection.execute(
                sa.select(waiting.c.destination)
                .where(waiting.c.due_since <= datetime.now(UTC))
                .order_by(waiting.c.due_since)
            )
            return list(rows.scalars())

    def claim(self, destination: str, limit: int, lease: timedelta) -> list[Delivery]:
        """At most ``limit`` due deliveries for ``destination``, the oldest first.

        No other process claims them for the time of ``lease``; then they are due again, unless
        their outcomes were recorded.
        """
        now = datetime.now(UTC)
        due = (
            sa.select(deliveries.c.id)
            .where(
                _is_waiting,
                deliveries.c.destination == destination,
                deliveries.c.next_attempt_at <= now,
            )
            .order_by(deliveries.c.next_attempt_at, deliveries.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        claim = (
            sa.update(deliveries)
            .where(deliveries.c.id.in_(sa.select(due.c.id)))
            .values(next_attempt_at=now + lease)
            .returning(*deliveries.c)
        )
        with self._transaction() as connection:
            _fail_disabled(connection, destination, now)
            found = [_delivery_of(row) for row in connection.execute(claim)]
        return sorted(found, key=lambda delivery: delivery.id)

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Store how attempts ended."""
        now = datetime.now(UTC)
        with self._transaction() as connection:
            delivered = [x.delivery.id for x in outcomes if x.error is None]
            if delivered:
                connection.execute(
                    _ending(DeliveryState.DELIVERED, None, now).where(
                        deliveries.c.id.in_(delivered)
                    )
                )
            for outcome in outcomes:
                if outcome.error is not None:
                    _record_error(connection, outcome, now)

    def find(self, which: DeliverySelection, limit: int | None = None) -> list[Delivery]:
        """At most ``limit`` deliveries, the latest first."""
        statement = (
            sa.select(deliveries).where(*_conditions(which)).order_by(deliveries.c.id.desc())
        )
        with self._transaction() as connection:
            return [_delivery_of(row) for row in connection.execute(statement.limit(limit))]

    def replay(self, ids: Collection[int]) -> int:
        """Deliver these again, beginning at once, and enable their targets; returns how many."""
        chosen = deliveries.c.id.in_(ids)
        again = {
            "state": str(DeliveryState.WAITING),
            "attempts": 0,
            "next_attempt_at": datetime.now(UTC),
            "ended_at": None,
        }
        with self._transaction() as connection:
            targets = sa.select(deliveries.c.target).where(chosen)
            connection.execute(
                sa.delete(disabled_targets).where(disabled_targets.c.target.in_(targets))
            )
            return connection.execute(sa.update(deliveries).where(chosen).values(again)).rowcount

    def drop(self, ids: Collection[int]) -> int:
        """Delete these permanently; returns how many."""
        with self._transaction() as connection:
            return connection.execute(
                sa.delete(deliveries).where(deliveries.c.id.in_(ids))
            ).rowcount

    def forget_delivered(self, before: datetime) -> int:
        """Delete deliveries that ended successfully before ``before``; returns how many.

        At most `DELETED_AT_ONCE`, so that the transaction stays short.
        """
        old = (
            sa.select(deliveries.c.id)
            .where(deliveries.c.state == DeliveryState.DELIVERED, deliveries.c.ended_at < before)
            .limit(DELETED_AT_ONCE)
        )
        with self._transaction() as connection:
            return connection.execute(
                sa.delete(deliveries).where(deliveries.c.id.in_(old))
            ).rowcount

    def backlog(self) -> Backlog:
        """What has not been delivered; counts end at `MAX_COUNTED`."""
        due_since = _waiting_destinations().c.due_since
        # Separate queries, each of which uses an index: most rows are delivered.
        statement = sa.select(
            _count(_is_waiting),
            _count(deliveries.c.state == DeliveryState.FAILED),
            sa.select(sa.func.min(due_since))
            .where(due_since <= datetime.now(UTC))
            .scalar_subquery(),
        )
        with self._transaction() as connection:
            return Backlog(*connection.execute(statement).one())

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with database_errors(), self.engine.begin() as connection:
            yield connection


def _count(condition: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    """The number of deliveries that fulfil ``condition``, at most `MAX_COUNTED`."""
    some = sa.select(deliveries.c.id).where(condition).limit(MAX_COUNTED).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()


def _waiting_destinations() -> sa.Subquery:
    """The destinations for which deliveries wait, and since when the first one is due.

    Reads few entries of an index for each destination, however many deliveries wait: a receiver
    that is unavailable for days may have millions.
    """

    def first_destination(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[str]:
        first = sa.select(deliveries.c.destination).where(_is_waiting, *conditions)
        return first.order_by(deliveries.c.destination).limit(1).scalar_subquery()

    found = sa.select(first_destination().label("destination")).cte("found", recursive=True)
    following = first_destination(deliveries.c.destination > found.c.destination)
    found = found.union_all(sa.select(following).where(found.c.destination.is_not(None)))
    due_since = (
        sa.select(deliveries.c.next_attempt_at)
        .where(_is_waiting, deliveries.c.destination == found.c.destination)
        .order_by(deliveries.c.next_attempt_at)
        .limit(1)
        .scalar_subquery()
    )
    return (
        sa.select(found.c.destination, due_since.label("due_since"))
        .where(found.c.destination.is_not(None))
        .subquery("waiting")
    )


def _record_error(connection: Connection, outcome: Outcome, now: datetime) -> None:
    delivery = outcome.delivery
    this = deliveries.c.id == delivery.id
    if outcome.next_attempt_at is None:
        connection.execute(_ending(DeliveryState.FAILED, outcome.error, now).where(this))
    else:
        connection.execute(
            sa.update(deliveries)
            .where(this, _is_waiting)
            .values(
                attempts=deliveries.c.attempts + 1,
                next_attempt_at=outcome.next_attempt_at,
                error=outcome.error,
            )
        )
    if outcome.disables:
        connection.execute(
            dialect_insert(connection.dialect, disabled_targets).on_conflict_do_nothing(),
            {"target": delivery.target, "disabled_at": now},
        )


def _fail_disabled(connection: Connection, destination: str, now: datetime) -> None:
    connection.execute(
        _ending(DeliveryState.FAILED, TARGET_DISABLED, now, attempts=0).where(
            deliveries.c.destination == destination,
            deliveries.c.target.in_(sa.select(disabled_targets.c.target)),
        )
    )


def _ending(state: DeliveryState, error: str | None, now: datetime, attempts: int = 1) -> sa.Update:
    return (
        sa.update(deliveries)
        .where(_is_waiting)
        .values(
            state=str(state),
            error=error,
            ended_at=now,
            attempts=deliveries.c.attempts + attempts,
        )
    )


def _conditions(which: DeliverySelection) -> Iterator[sa.ColumnElement[bool]]:
    if which.state is not None:
        yield deliveries.c.state == which.state
    if which.ids:
        yield deliveries.c.id.in_(which.ids)
    if which.inspection_ids:
        yield deliveries.c.inspection_id.in_(which.inspection_ids)
    if which.type is not None:
        yield deliveries.c.type == which.type
    if which.target is not None:
        yield deliveries.c.target == which.target
    if which.since is not None:
        yield deliveries.c.created_at >= which.since
    if which.until is not None:
        yield deliveries.c.created_at <= which.until


def _delivery_of(row: Any) -> Delivery:
    values = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's public name
    return Delivery(**{**values, "state": DeliveryState(values["state"])})
