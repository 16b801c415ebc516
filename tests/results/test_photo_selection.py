"""Each examined photo is selected once, in PostgreSQL and in SQLite."""

from __future__ import annotations

from datetime import timedelta

import pytest

from damage_tasks.results import photo_selection
from damage_tasks.results.photo_selection import iter_photos
from damage_tasks.results.store import Inspections
from damage_tasks.review.recording import record, undo_last
from tools.sample_pictures_and_results import (
    NOW,
    damage,
    failed_inspection,
    finding,
    inspection,
)


@pytest.fixture
def store(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Inspections:
    """Three photos, the first of which was sent twice, and a failure."""
    monkeypatch.setattr(photo_selection, "MAX_PAGE", 2)
    monkeypatch.setattr(photo_selection, "BATCH", 2)
    store = Inspections(database_url)
    for number, (id, digit) in enumerate([("a", "a"), ("b", "b"), ("c", "c"), ("a again", "a")]):
        found = finding(damage())
        store.save(
            inspection(id, found, sha256=digit * 64, finished_at=NOW + timedelta(hours=number))
        )
    store.save(failed_inspection("failed"))
    return store


def test_each_photo_is_selected_once_with_its_latest_inspection(store: Inspections) -> None:
    assert sorted(found.id for found in iter_photos(store)) == ["a again", "b", "c"]
    later = iter_photos(store, since=NOW + timedelta(hours=2))
    assert sorted(found.id for found in later) == ["a again", "c"]


def test_the_inspection_that_people_decided_about_is_selected(store: Inspections) -> None:
    record(store, "a", "ann", "confirm")
    record(store, "b", "ann", "note", {"text": "wet"})
    assert [found.id for found in iter_photos(store, decided=True)] == ["a"]
    assert sorted(found.id for found in iter_photos(store)) == ["a", "b", "c"]
    undo_last(store, "ann")
    undo_last(store, "ann")
    assert list(iter_photos(store, decided=True)) == []
