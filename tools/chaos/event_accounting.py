"""Compares verdicts and recorded events with what has arrived at the receivers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from damage_tasks.results.delivery import EventType
from tools.chaos.accounting import Account, Row
from tools.chaos.event_receivers import Event

_OF_A_VERDICT = (EventType.COMPLETED, EventType.FAILED)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row of the table of deliveries."""

    event: Event
    target: str
    state: str


@dataclass(frozen=True, slots=True)
class EventStock:
    """What a run leaves: recorded deliveries, completed cases, accepted events by target."""

    recorded: Sequence[Recorded]
    cases: Collection[str]
    accepted: Mapping[str, Sequence[Event]]
    refused: int = 0


def reckon_events(rows: Sequence[Row], stock: EventStock) -> Account:
    """Compare: every event must have arrived at least once at each target.

    Verdicts and complete cases need their events whether these were recorded or not.
    """
    expected = {(_type_of(row), row.id) for row in rows}
    expected |= {(str(EventType.CASE_COMPLETED), case) for case in stock.cases}
    account = Account()
    missing, repeated, baseless = 0, 0, 0
    for target, events in stock.accepted.items():
        lines = _missing(expected, events, [row for row in stock.recorded if row.target == target])
        missing += len(lines)
        account.problems += [f"{line} is missing at {target}" for line in lines]
        repeated += len(events) - len({event.id for event in events})
        unknown = _without_a_row(rows, events)
        baseless += len(unknown)
        account.problems += [f"an event without an inspection: {id}" for id in unknown]
    recorded = Counter(row.event.type for row in stock.recorded)
    account.table = {
        **{f"deliveries, {type}": count for type, count in sorted(recorded.items())},
        "events missing": missing,
        "events repeated": repeated,
        "events without an inspection": baseless,
        "webhooks not accepted": stock.refused,
    }
    return account


def _type_of(row: Row) -> str:
    return str(EventType.FAILED if row.outcome.startswith("failed") else EventType.COMPLETED)


def _missing(
    expected: set[tuple[str, str]], events: Sequence[Event], recorded: Sequence[Recorded]
) -> list[str]:
    """Expected and recorded events that did not arrive, although they may be called delivered."""
    without_any = expected - {(event.type, event.about) for event in events}
    arrived = {event.id for event in events}
    return [f"{type} of {about}" for type, about in sorted(without_any)] + [
        f"{row.event.type} of {row.event.about} ({row.event.id}, {row.state})"
        for row in recorded
        if row.event.id not in arrived and (row.event.type, row.event.about) not in without_any
    ]


def _without_a_row(rows: Sequence[Row], events: Sequence[Event]) -> list[str]:
    ids = {row.id for row in rows}
    return sorted({e.about for e in events if e.type in _OF_A_VERDICT and e.about not in ids})
