"""The comparison of verdicts and events detects every kind of error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tools.chaos.accounting import Row
from tools.chaos.event_accounting import EventStock, Recorded, reckon_events
from tools.chaos.event_receivers import Event, event_of

ROWS = [Row("1", "damaged", 1, 130.0, finding=1), Row("2", "failed worker_lost", 5, 160.0)]
EVENTS = [
    Event("evt_1", "inspection.completed", "1"),
    Event("evt_2", "inspection.failed", "2"),
    Event("evt_3", "inspection.retrying", "2"),
    Event("evt_4", "case.completed", "case 7"),
]
SECOND_FAILURE = Event("evt_5", "inspection.failed", "2")
RECORDED = [
    Recorded(event, target, "delivered") for event in EVENTS for target in ("hook", "queue")
]
GOOD = EventStock(RECORDED, ["case 7"], {"hook": EVENTS, "queue": [*EVENTS, EVENTS[0]]}, refused=3)


def without(number: int) -> dict[str, Sequence[Event]]:
    """What has arrived if one event is missing at the webhook."""
    return {**GOOD.accepted, "hook": [event for event in EVENTS if event != EVENTS[number]]}


def test_events_that_arrived_are_counted_and_no_problem() -> None:
    account = reckon_events(ROWS, GOOD)
    assert account.ok
    assert account.table == {
        "deliveries, case.completed": 2,
        "deliveries, inspection.completed": 2,
        "deliveries, inspection.failed": 2,
        "deliveries, inspection.retrying": 2,
        "events missing": 0,
        "events repeated": 1,
        "events without an inspection": 0,
        "webhooks not accepted": 3,
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        # Recorded, and called delivered, but it did not arrive.
        (
            {"accepted": without(2)},
            "inspection.retrying of 2 (evt_3, delivered) is missing at hook",
        ),
        # Not even recorded.
        (
            {"accepted": without(0), "recorded": RECORDED[2:]},
            "inspection.completed of 1 is missing at hook",
        ),
        ({"accepted": without(1)}, "inspection.failed of 2 is missing at hook"),
        ({"accepted": without(3)}, "case.completed of case 7 is missing at hook"),
        # A second event about the same inspection.
        (
            {"recorded": [*RECORDED, Recorded(SECOND_FAILURE, "hook", "failed")]},
            "inspection.failed of 2 (evt_5, failed) is missing at hook",
        ),
    ],
)
def test_every_missing_event_is_named(changes: dict[str, Any], problem: str) -> None:
    account = reckon_events(ROWS, replace(GOOD, **changes))
    assert account.table["events missing"] == 1
    assert account.problems == [problem]


def test_an_event_about_an_inspection_that_is_not_stored_is_a_problem() -> None:
    events = [*EVENTS, Event("evt_9", "inspection.completed", "9")]
    account = reckon_events(ROWS, replace(GOOD, accepted={"hook": events}))
    assert account.problems == ["an event without an inspection: 9"]
    assert account.table["events without an inspection"] == 1


def test_an_event_is_about_an_inspection_or_a_case() -> None:
    of_photo = event_of("evt_1", '{"type": "inspection.failed", "data": {"id": "1"}}')
    assert of_photo == Event("evt_1", "inspection.failed", "1")
    of_case = event_of("evt_2", b'{"type": "case.completed", "data": {"case_id": "case 7"}}')
    assert of_case == Event("evt_2", "case.completed", "case 7")
