"""The benchmark of the inspectors' page opens every page of a filled database."""

from __future__ import annotations

import pytest

from benchmarks.review_page_speed import fill, opened_page, page_milliseconds

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_every_page_of_a_small_database_is_measured(
    migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.review_page_speed.REPEATS", 0)
    fill(migrated_postgres_url, 500)
    with opened_page(migrated_postgres_url) as client:
        found = page_milliseconds(client, 500)
        listed = client.get("/lists/poor-photo").text
        filtered = client.get("/lists/all?camera=apple&severity=moderate&case=case-37").text
    assert {"poor-photo", "filter case", "filter camera", "several filters"} <= set(found)
    # Ten are poor, and somebody has decided about none of them.
    assert listed.count("<tr>") == 1 + 10
    assert filtered.count("<tr>") == 1 + 1
