"""One of the workers that meet the same problem posts the alert."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from damage_tasks.results.fleet_alerts import claim_alert
from damage_tasks.results.store import Inspections

pytestmark = pytest.mark.server

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def claim(store: Inspections, subject: str, now: datetime = NOW) -> bool:
    with store.transaction() as connection:
        return claim_alert(connection, subject, now)


def test_the_first_worker_posts_an_alert(store: Inspections) -> None:
    assert [claim(store, "a is refused") for _ in range(3)] == [True, False, False]
    assert claim(store, "b is refused")


def test_an_alert_is_posted_again_after_a_day(store: Inspections) -> None:
    assert claim(store, "a is refused")
    assert not claim(store, "a is refused", NOW + timedelta(hours=23))
    assert claim(store, "a is refused", NOW + timedelta(hours=24))
    assert not claim(store, "a is refused", NOW + timedelta(hours=25))


def test_a_subject_may_be_of_any_length_and_contain_any_character(store: Inspections) -> None:
    assert [claim(store, "\0" + "가" * 10_000) for _ in range(2)] == [True, False]


def test_one_of_fourteen_workers_posts_an_alert_that_all_have_at_once(database_url: str) -> None:
    def worker(_: int) -> bool:
        with closing(Inspections(database_url)) as store:
            return claim(store, "a is refused")

    with ThreadPoolExecutor(14) as workers:
        assert sum(workers.map(worker, range(14))) == 1
