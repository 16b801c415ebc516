"""Events about inspections, written in the transaction that changes the inspection.

`damage-tasks deliver` sends them; there is one row for each event and target.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from damage_tasks.inspection import Inspection, Verdict
from damage_tasks.results.decisions import load_reviewed
from damage_tasks.results.delivery import DeliveryState, EventType
from damage_tasks.results.tables import deliveries, inspections
from damage_tasks.settings.event_targets import destination_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

MAX_BODY_BYTES = 20_000  # https://github.com/standard-webhooks/standard-webhooks, payload size


def add_event(
    connection: Connection,
    type: EventType,
    data: Mapping[str, Any],
    targets: Iterable[str],
    *,
    inspection_id: str | None = None,
    case_id: str | None = None,
    due: datetime | None = None,
) -> None:
    """Record an event of ``type`` for each of ``targets``; it is sent at ``due``, or at once.

    It is about an inspection, or, with ``case_id``, about a whole case.

    ``data`` is the event's data, with JSON types only.  Nothing is written without targets.
    """
    now = datetime.now(UTC)
    event = {
        # The same for all targets and attempts, so that a receiver can recognise a repetition.
        "event_id": f"evt_{uuid.uuid4().hex}",
        "type": str(type),
        "inspection_id": inspection_id,
        "case_id": case_id,
        "body": event_body(type, data, now),
        "state": str(DeliveryState.WAITING),
        "attempts": 0,
        "next_attempt_at": due or now,
        "created_at": now,
    }
    rows = [
        {**event, "target": target, "destination": destination_of(target)}
        for target in dict.fromkeys(targets)
    ]
    if rows:
        connection.execute(sa.insert(deliveries), rows)


def add_verdict(connection: Connection, inspection: Inspection, targets: Iterable[str]) -> None:
    """Record the event of a stored verdict, replacing that of a provisional failure.

    The event of a provisional failure is only sent once the failure is final.
    """
    if not (targets := tuple(targets)):
        return
    withdraw_failure_event(connection, inspection.id)
    is_failure = inspection.verdict is Verdict.FAILED
    add_event(
        connection,
        EventType.FAILED if is_failure else EventType.COMPLETED,
        inspection.to_dict(),
        targets,
        inspection_id=inspection.id,
        due=inspection.final_after,
    )


def add_review(connection: Connection, inspection_id: str, targets: Iterable[str]) -> None:
    """Record that a person has decided about an inspection, or has undone a decision.

    The event is for ``targets`` and the inspection's callback URL.
    """
    row = connection.execute(
        sa.select(inspections).where(inspections.c.id == inspection_id)
    ).one_or_none()
    if row is None:
        return
    if targets := with_callback(targets, row.callback_url):
        (inspection,) = load_reviewed(connection, [row])
        add_event(
            connection,
            EventType.REVIEWED,
            inspection.to_dict(),
            targets,
            inspection_id=inspection_id,
        )


def with_callback(targets: Iterable[str], callback_url: str | None) -> tuple[str, ...]:
    """``targets`` and ``callback_url``, if there is one."""
    return (*targets, *((callback_url,) if callback_url else ()))


def withdraw_failure_event(connection: Connection, inspection_id: str) -> None:
    """Remove the event of a provisional failure, which has not been sent yet."""
    connection.execute(
        sa.delete(deliveries).where(
            deliveries.c.inspection_id == inspection_id,
            deliveries.c.type == EventType.FAILED,
            deliveries.c.state == DeliveryState.WAITING,
            deliveries.c.attempts == 0,
            deliveries.c.next_attempt_at > datetime.now(UTC),
        )
    )


def event_body(type: EventType, data: Mapping[str, Any], at: datetime) -> str:
    """The body of an event as JSON: ``{"type": ..., "timestamp": ..., "data": ...}``.

    In a body of more than `MAX_BODY_BYTES`, outlines are replaced by their bounding boxes, also
    those in decisions, the lists of a case are empty, and ``abridged`` is true.
    """
    body = {"type": str(type), "timestamp": at.isoformat(), "data": data}
    encoded = _encode(body)
    if len(encoded) > MAX_BODY_BYTES and (abridged := _abridged(data)):
        encoded = _encode({**body, "abridged": True, "data": {**data, **abridged}})
    return encoded.decode()


def _abridged(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Shorter values for the long parts of ``data``."""
    if "inspections" in data:  # the summary of a case
        return {name: [] for name in ("inspections", "retake")}
    long: dict[str, Any] = {}
    if damages := data.get("damages"):
        long["damages"] = [{**area, "polygon": _corners(area["bbox"])} for area in damages]
    if decisions := data.get("decisions"):
        long["decisions"] = [
            {**decision, "payload": _with_bounding_box(decision["payload"])}
            for decision in decisions
        ]
    return long


def _with_bounding_box(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    if "polygon" not in payload:
        return payload
    columns, rows = zip(*payload["polygon"], strict=True)
    x, y = min(columns), min(rows)
    bbox = [x, y, max(columns) - x + 1, max(rows) - y + 1]
    return {**payload, "polygon": _corners(bbox)}


def _encode(body: Mapping[str, Any]) -> bytes:
    # Callers' texts may contain half of a surrogate pair, which UTF-8 cannot represent.
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _corners(bbox: list[int]) -> list[list[int]]:
    x, y, width, height = bbox
    right, bottom = x + width - 1, y + height - 1
    return [[x, y], [right, y], [right, bottom], [x, bottom]]
