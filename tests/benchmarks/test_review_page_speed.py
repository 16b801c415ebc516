"""The benchmark of the inspectors' page opens every page of a filled database."""

from __future__ import annotations

import pytest

from benchmarks.review_page_speed import (
    decision_milliseconds,
    fill,
    goal,
    opened_page,
    page_milliseconds,
)
from damage_tasks.results.decisions import decisions_of
from damage_tasks.results.store import Inspections

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_every_page_of_a_small_database_is_measured(
    migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.review_page_speed.REPEATS", 0)
    fill(migrated_postgres_url, 500)
    with opened_page(migrated_postgres_url) as client:
        found = page_milliseconds(client, 500)
        posted = decision_milliseconds(client, 500)
        listed = client.get("/lists/poor-photo").text
        filtered = client.get("/lists/all?camera=apple&severity=moderate&case=case-37").text
    assert {"poor-photo", "filter case", "filter camera", "several filters"} <= set(found)
    assert set(posted) == {"decision", "undo"}
    with Inspections(migrated_postgres_url).transaction() as connection:
        (made,) = decisions_of(connection, ["task-250"])["task-250"]
    assert (made.person, str(made.action)) == ("local", "confirm")
    assert made.undone_at is not None
    # Ten are poor, and somebody has decided about none of them.
    assert listed.count("<tr>") == 1 + 10
    assert filtered.count("<tr>") == 1 + 1


def test_pages_may_take_longer_with_more_inspections_and_decisions_may_not() -> None:
    assert goal("all", 1_000_000) == goal("decision", 10_000_000) == goal("undo", 1_000) == 100
    assert goal("all", 10_000_000) == goal("inspection", 10_000_000) == 300
