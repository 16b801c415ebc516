"""Urgent photos come first, and the others are never kept away."""

from __future__ import annotations

import time
from itertools import takewhile
from typing import Any

import pytest

from damage_tasks.sqs.poll_turns import URGENT_IN_A_ROW, PollTurns

BULK, URGENT = "damage", "urgent"


@pytest.fixture
def turns() -> PollTurns:
    return PollTurns(URGENT)


def room(turns: PollTurns, queue: str, in_hand: int, limit: int = 2) -> bool:
    return turns.has_room(queue, in_hand, limit, prefetch=1)


def test_a_busy_worker_takes_one_urgent_photo_more(turns: PollTurns) -> None:
    assert [room(turns, BULK, in_hand) for in_hand in (0, 1, 2, 3)] == [True, True, False, False]
    assert [room(turns, URGENT, in_hand) for in_hand in (0, 1, 2, 3)] == [True, True, True, False]


def test_without_an_urgent_queue_none_has_precedence() -> None:
    turns = PollTurns(None)
    turns[BULK].waits_for_room = True
    turns.answered(BULK, 100)
    assert not turns.must_wait(BULK)
    assert not turns.may_follow_at_once(BULK)
    assert not room(turns, BULK, 2)


def test_waiting_photos_have_a_turn_after_several_urgent_ones(turns: PollTurns) -> None:
    turns[BULK].waits_for_room = True
    passed = list(takewhile(lambda _: not turns.must_wait(URGENT), urgent_photos(turns)))
    assert len(passed) == URGENT_IN_A_ROW
    turns.sent(BULK)
    turns[BULK].waits_for_room = True
    assert not turns.must_wait(URGENT)


def urgent_photos(turns: PollTurns) -> Any:
    """Receives one urgent photo at each step, up to 100."""
    for number in range(100):
        yield number
        turns.answered(URGENT, 1)


def test_urgent_photos_wait_for_nobody_while_no_other_waits_for_room(turns: PollTurns) -> None:
    turns.answered(URGENT, 100)
    assert not turns.must_wait(URGENT)
    turns[URGENT].waits_for_room = True
    assert not turns.must_wait(URGENT)
    turns[BULK].waits_for_room = True
    assert turns.must_wait(URGENT)
    assert not turns.must_wait(BULK)


def test_only_a_long_poll_of_the_urgent_queue_is_followed_at_once(
    turns: PollTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    turns.sent(URGENT)
    turns.sent(BULK)
    # As an endpoint without long polling answers.
    assert not turns.may_follow_at_once(URGENT)
    now[0] = 10.0
    assert turns.may_follow_at_once(URGENT)
    assert not turns.may_follow_at_once(BULK)


def test_failures_of_one_queue_do_not_slow_the_other(turns: PollTurns) -> None:
    turns[URGENT].failures = 3
    turns.answered(BULK, 0)
    assert (turns[URGENT].failures, turns[BULK].failures) == (3, 0)
    turns.answered(URGENT, 0)
    assert turns[URGENT].failures == 0
