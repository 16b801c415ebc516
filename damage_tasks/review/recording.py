"""Records decisions of people, and undoes them; each change has an event."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from damage_tasks.decision import Action, Decision, decisions_of
from damage_tasks.errors import DecisionInvalid, InspectionNotFound
from damage_tasks.results.decisions import insert_decision, last_decision, undo_decision
from damage_tasks.results.outbox import add_review
from damage_tasks.review.decision_details import validated
from damage_tasks.review.people import MAX_NAME_CHARACTERS, is_valid_name
from damage_tasks.telemetry.audit_log import audit_log

if TYPE_CHECKING:
    from damage_tasks.inspection import Inspection
    from damage_tasks.results.store import Inspections

MAX_SECONDS = 3600.0  # seconds; a page that was open for longer was not looked at all the time
UNDO_WINDOW = timedelta(hours=12)


def record(
    store: Inspections,
    inspection_id: str,
    person: str,
    action: str,
    payload: Mapping[str, Any] | None = None,
    seconds: float | None = None,
) -> Decision:
    """Store a decision of ``person`` with its event, and return it with its id.

    ``seconds`` is how long the person looked at the photo.  Raises `InspectionNotFound`,
    `DecisionInvalid`, `DatabaseUnavailable` or `DatabaseError`.
    """
    inspection = store.find(inspection_id)
    if inspection is None:
        raise InspectionNotFound(f"no inspection {inspection_id}")
    decision = _decision(inspection, person, action, payload or {}, seconds)
    with store.transaction() as connection:
        decision = replace(decision, id=insert_decision(connection, decision))
        add_review(connection, inspection_id, store.event_targets)
    _audit("decided", decision, person)
    return decision


def replace_decisions(
    store: Inspections,
    inspection: Inspection,
    person: str,
    made: Iterable[tuple[str, Mapping[str, Any]]],
) -> None:
    """Store the decisions ``made`` (action and payload), and undo the person's earlier ones.

    Both happen in one transaction, with one event.  ``inspection`` has its decisions.  Raises
    `InspectionNotFound` if it was erased in the meantime, `DecisionInvalid`,
    `DatabaseUnavailable` or `DatabaseError`.
    """
    decisions = [_decision(inspection, person, action, payload) for action, payload in made]
    earlier = decisions_of(inspection.decisions, person)
    with store.transaction() as connection:
        for decision in earlier:
            undo_decision(connection, decision)
        decisions = [
            replace(decision, id=insert_decision(connection, decision)) for decision in decisions
        ]
        add_review(connection, inspection.id, store.event_targets)
    for decision in earlier:
        _audit("undid", decision, person)
    for decision in decisions:
        _audit("decided", decision, person)


def undo_last(store: Inspections, person: str) -> Decision | None:
    """Undo the last decision of ``person`` and return it; None if there is none to undo.

    A further event has the result without that decision.
    """
    with store.transaction() as connection:
        decision = last_decision(connection, person, datetime.now(UTC) - UNDO_WINDOW)
        if decision is None or not undo_decision(connection, decision):
            return None
        add_review(connection, decision.inspection_id, store.event_targets)
    _audit("undid", decision, person)
    return decision


def _decision(
    inspection: Inspection,
    person: str,
    action: str,
    payload: Mapping[str, Any],
    seconds: float | None = None,
) -> Decision:
    if not is_valid_name(person):
        raise DecisionInvalid(
            f"a decision needs the name of a person, at most {MAX_NAME_CHARACTERS} characters"
        )
    return Decision(
        inspection_id=inspection.id,
        person=person,
        made_at=datetime.now(UTC),
        payload=validated(action, payload, inspection),
        action=Action(action),
        seconds=_limited(seconds),
        bundle_digest=inspection.bundle.digest if inspection.bundle else None,
    )


def _limited(seconds: float | None) -> float | None:
    # JSON cannot represent NaN, which a form may contain.
    if seconds is None or math.isnan(seconds):
        return None
    return round(min(max(seconds, 0.0), MAX_SECONDS), 1)


def _audit(what: str, decision: Decision, person: str) -> None:
    audit_log.info(
        what,
        extra={
            "person": person,
            "inspection": decision.inspection_id,
            "action": str(decision.action),
            "decision": decision.id,
        },
    )
