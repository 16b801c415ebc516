"""The schedule of attempts, and the outcome of a failed one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.deliveries.senders import Senders
from damage_tasks.deliveries.sending import SendingFailed, attempt, next_attempt_at
from damage_tasks.errors import SettingsError
from damage_tasks.results.outbox import MAX_BODY_BYTES
from damage_tasks.settings import Settings
from tests.deliveries.deliveries_for import delivery_to, settings_for

HOOK = "https://rental.example/hook"
DELAYS = Settings().delivery_delays


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def send(self, delivery: Any) -> None:
        raise self.error


def seconds_to(at: datetime | None) -> float:
    assert at is not None
    return (at - datetime.now(UTC)).total_seconds()


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    minute, hour = 60, 3600
    expected = [5, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour,
                24 * hour]  # fmt: skip
    for ended, seconds in enumerate(expected, 1):
        assert seconds - 1 <= seconds_to(next_attempt_at(ended, DELAYS)) <= seconds * 1.1
    assert next_attempt_at(10, DELAYS) is None


def test_the_callers_page_gives_the_schedule_and_the_limits() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs/callers.md").read_text().split())
    seconds, *minutes = DELAYS[:3]
    *hours, last = (delay // 3600 for delay in DELAYS[3:])
    assert (
        f"sent again after {seconds} seconds, "
        + ", ".join(f"{delay // 60} minutes" for delay in minutes)
        + f", and {', '.join(map(str, hours))} and {last} hours"
    ) in page
    assert f"any 2xx status within {Settings().webhook_timeout:g} seconds" in page
    assert f"A body has at most {MAX_BODY_BYTES // 1000} kB" in page


def test_a_receiver_that_asks_for_more_time_gets_it() -> None:
    assert 99 <= seconds_to(next_attempt_at(1, DELAYS, 100)) <= 100
    assert seconds_to(next_attempt_at(2, DELAYS, 100)) > 299


@pytest.mark.parametrize("error", [SendingFailed("answered 500"), RuntimeError("answered 500")])
def test_a_failed_attempt_is_repeated_until_the_last(error: Exception) -> None:
    for ended, is_last in ((0, False), (8, False), (9, True)):
        done = attempt(delivery_to(HOOK, attempts=ended), lambda _: Failing(error), DELAYS)
        assert "answered 500" in (done.outcome.error or "")
        assert (done.outcome.next_attempt_at is None) == is_last
        assert not done.outcome.disables


def test_gone_is_not_repeated() -> None:
    error = SendingFailed("answered 410", is_gone=True)
    done = attempt(delivery_to(HOOK), lambda _: Failing(error), DELAYS)
    assert done.outcome.next_attempt_at is None
    assert done.outcome.disables


@pytest.mark.parametrize(
    "target", ["https://other.example/", "arn:aws:sns:us-east-1:000000000000:other"]
)
def test_a_target_that_is_no_longer_allowed_gets_nothing(target: str) -> None:
    senders = Senders(settings_for(HOOK, callback_hosts=("caller.example",)))
    with pytest.raises(SendingFailed, match="DAMAGE_EVENT_TARGETS"):
        senders(delivery_to(target))
    assert senders(delivery_to(HOOK))
    assert senders(delivery_to("https://caller.example/7"))


@pytest.mark.parametrize(
    "changes", [{"event_targets": (HOOK,)}, {"callback_hosts": ("caller.example",)}]
)
def test_webhooks_without_a_secret_stop_the_process_at_its_start(changes: Any) -> None:
    with pytest.raises(SettingsError, match="DAMAGE_WEBHOOK_SECRETS"):
        Senders(Settings(**changes))
