"""Drift of stored inspections, in PostgreSQL and in SQLite, and the reference that is used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.errors import BundleNotFound, BundleUnavailable
from damage_tasks.production_quality import drift_reference, kept_report, latest_drift
from damage_tasks.production_quality.drift_reference import References
from damage_tasks.production_quality.drift_report import DriftReport, report_drift
from damage_tasks.production_quality.latest_drift import LatestDrift
from damage_tasks.results import examined_photos, photo_sample
from damage_tasks.results.photo_sample import find_first_day, sample_photos
from damage_tasks.results.store import Inspections
from damage_tasks.settings import Settings
from model_store.fetch import fetch_manifest
from model_store.manifest import Manifest, Reference
from tests.production_quality.conftest import AddDay
from tools.sample_pictures_and_results import NOW

DAY = timedelta(days=1)
# For few photos.
LIMITS: dict[str, Any] = {"drift_photos": 50, "drift_psi": 1.0, "drift_ks": 0.3}
SETTINGS = Settings(**LIMITS, drift_reference_days=2)


def no_manifest() -> Manifest:
    raise BundleNotFound("no bundle here")


def report(
    store: Inspections, day: int, settings: Settings = SETTINGS, read_manifest: Any = no_manifest
) -> DriftReport:
    references = References(store, settings, read_manifest)
    return report_drift(store, references, settings, NOW + day * DAY, NOW + (day + 1) * DAY)


def test_photos_are_compared_with_the_bundles_first_whole_days(
    production: Inspections, add_day: AddDay
) -> None:
    for day in range(-5, -1):
        add_day(day, 60)
    add_day(-1, 80, light=0.6)
    assert report(production, -2).drifted == []
    found = report(production, -1)
    assert found.drifted == ["brightness"]
    assert (found.bundle, found.photos, found.total) == ("1.0.0", 80, 80)
    assert found.reference
    assert found.reference.origin == "first days"
    # The first day, 2026-11-17, began at noon.
    reference = found.reference.reference
    assert (reference.since, reference.until) == ("2026-11-18", "2026-11-20")
    brightness = next(figure for figure in found.figures if figure.name == "brightness")
    assert len(brightness.examples) == 4
    assert brightness.ks is not None
    assert brightness.ks > 0.5
    assert found.to_dict()["figures"]["brightness"]["drifted"] is True


def test_without_enough_photos_or_a_reference_nothing_has_drifted(
    production: Inspections, add_day: AddDay
) -> None:
    assert report(production, -1).bundle == ""
    add_day(-1, 60)
    new = report(production, -1)
    assert (new.photos, new.reference, list(new.figures)) == (60, None, [])
    add_day(-3, 60)
    add_day(-2, 80)
    few = report(production, -1, Settings(**{**LIMITS, "drift_photos": 61}))
    assert few.reference
    assert list(few.figures) == []


def test_a_setting_names_the_days_of_the_reference(
    production: Inspections, add_day: AddDay
) -> None:
    add_day(-9, version="0.9.0", light=0.6)
    add_day(-3)
    add_day(-1, light=0.6)
    days = datetime(2026, 11, 13, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC)
    found = report(production, -1, Settings(**LIMITS, drift_reference=days))
    assert found.reference
    assert found.reference.to_dict() == {
        "origin": "setting", "source": "production", "photos": 60,
        "since": "2026-11-13", "until": "2026-11-15",
    }  # fmt: skip
    assert "brightness" not in found.drifted


def test_the_manifest_has_the_reference_of_its_own_version(
    production: Inspections, add_day: AddDay
) -> None:
    add_day(-1)
    reference = Reference(source="validation", photos=9, labels={"verdict": {"clean": 1.0}})
    manifest = fetch_manifest("default", SETTINGS.bundle_cache)
    for version, origin in (("1.0.0", "manifest"), ("2.0.0", None)):
        changed = manifest.model_copy(update={"reference": reference, "version": version})
        found = report(production, -1, read_manifest=lambda shown=changed: shown)
        assert (found.reference and found.reference.origin) == origin
        assert [f.name for f in found.figures] == (["verdict"] if origin else [])


class Store:
    """Manifests with references, of which the newest is read, or none while it is unreachable."""

    def __init__(self) -> None:
        self.version = "1.0.0"
        self.is_reachable = True
        self.reads = 0

    def read(self) -> Manifest:
        self.reads += 1
        if not self.is_reachable:
            raise BundleUnavailable("timed out")
        reference = Reference(source="validation", photos=9, labels={"verdict": {"clean": 1.0}})
        changes = {"reference": reference, "version": self.version}
        return fetch_manifest("default", SETTINGS.bundle_cache).model_copy(update=changes)


def test_after_a_roll_out_the_new_versions_manifest_is_read_every_ten_minutes_at_most(
    production: Inspections, add_day: AddDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_day(-2)
    store = Store()
    references = References(production, SETTINGS, store.read)

    def origin(version: str) -> str | None:
        found = references.choose(version, NOW)
        return found.origin if found else None

    assert origin("1.0.0") == "manifest"
    store.version = "2.0.0"
    assert origin("2.0.0") is None
    assert store.reads == 1
    monkeypatch.setattr(drift_reference, "MANIFEST_SECONDS", 0.0)
    assert origin("2.0.0") == "manifest"
    # Days before the roll-out still have theirs.
    assert origin("1.0.0") == "manifest"
    assert store.reads == 2


def test_a_manifest_that_was_unavailable_is_read_later(
    production: Inspections, add_day: AddDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(-5, -1):
        add_day(day, 60)
    store = Store()
    store.is_reachable = False
    references = References(production, SETTINGS, store.read)
    found = [references.choose("1.0.0", NOW) for _ in range(2)]
    assert [each and each.origin for each in found] == ["first days", "first days"]
    assert store.reads == 1
    store.is_reachable = True
    monkeypatch.setattr(drift_reference, "MANIFEST_SECONDS", 0.0)
    later = references.choose("1.0.0", NOW)
    assert later
    assert later.origin == "manifest"


def test_many_photos_are_sampled_by_their_digests(
    production: Inspections, add_day: AddDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_sample, "MAX_PHOTOS", 50)
    add_day(-1, 200)
    with production.transaction() as connection:
        found = sample_photos(connection, NOW - DAY, NOW)
        again = sample_photos(connection, NOW - DAY, NOW)
    assert found.total == 200
    assert 25 < len(found.photos) < 75
    assert found == again
    assert len({photo.hour for photo in found.photos}) > 12


def test_of_very_many_photos_only_short_intervals_are_read(
    production: Inspections, add_day: AddDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_day(-1, 1000)
    monkeypatch.setattr(photo_sample, "MAX_PHOTOS", 100)
    monkeypatch.setattr(photo_sample, "MAX_READ_PHOTOS", 200)
    monkeypatch.setattr(examined_photos, "MAX_COUNTED_PHOTOS", 200)
    monkeypatch.setattr(examined_photos, "MIN_PILOT_PHOTOS", 50)
    read: list[Any] = []
    with production.transaction() as connection:

        def note(_: Any, __: Any, statement: str, ___: Any, context: Any, ____: Any) -> None:
            if "findings" in statement:
                read.append(context.compiled_parameters[0])

        sa.event.listen(connection, "before_cursor_execute", note)
        found = sample_photos(connection, NOW - DAY, NOW)
    lasts = sum((each["finished_at_2"] - each["finished_at_1"] for each in read), timedelta())
    assert lasts < DAY / 2
    assert not found.is_exact
    assert found.total == pytest.approx(1000, rel=0.4)
    assert 50 < len(found.photos) < 150
    assert len({photo.hour for photo in found.photos}) > 12


def test_the_first_day_of_a_bundle_is_found_over_short_gaps(
    production: Inspections, add_day: AddDay
) -> None:
    for day in (-30, -6, -3, -1):
        add_day(day, 2)
    with production.transaction() as connection:
        first = find_first_day(connection, "1.0.0", NOW)
        assert first == datetime(2026, 11, 16, tzinfo=UTC)
        assert find_first_day(connection, "9.0.0", NOW) is None


def test_whole_days_are_those_of_the_time_zone(
    production: Inspections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest_drift, "HISTORY", 1)
    drift = LatestDrift(production, Settings(**LIMITS, time_zone="Asia/Seoul"))
    (day,) = drift.get().days
    assert (day.since.tzinfo, day.since.hour, day.until - day.since) == (UTC, 15, DAY)


def test_whole_days_with_a_reference_are_computed_once(
    production: Inspections, add_day: AddDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []
    monkeypatch.setattr(kept_report, "LIFETIME", timedelta(0))
    monkeypatch.setattr(latest_drift, "HISTORY", 2)

    def noted(store: Any, references: Any, settings: Any, since: datetime, until: datetime) -> Any:
        asked.append(since)
        return report_drift(store, references, settings, since, until)

    monkeypatch.setattr(latest_drift, "report_drift", noted)
    days = NOW - 9 * DAY, NOW - 8 * DAY
    drift = LatestDrift(production, Settings(**LIMITS, drift_reference=days))
    history = drift.get()
    assert [day.reference for day in history.days] == [None, None]
    assert history.days[-1].until <= history.latest.until
    today = datetime.now(UTC)
    add_day(-9)
    for back in (1, 2):
        add_day((today - NOW).days - back, 2)
    assert len(asked) == 3
    drift.get()
    assert len(asked) == 6
    assert drift.get().days[0].reference
    assert len(asked) == 7
