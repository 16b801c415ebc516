"""The report on stored inspections and decisions, in PostgreSQL and in SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from damage_tasks.inspection import PhotoFacts, Quality
from damage_tasks.production_quality.quality_report import QualityReport, report_quality
from damage_tasks.production_quality.report_texts import sentences
from damage_tasks.production_quality.review_plan import Expected, ReviewPlan
from damage_tasks.results import examined_photos, quality_sample
from damage_tasks.results.quality_counts import LIGHT_LIMITS, count_photos, find_decided
from damage_tasks.results.quality_sample import sample_photos
from damage_tasks.results.store import Inspections
from damage_tasks.review.recording import record
from model_training.evaluation.breakdown import BRIGHTNESS_RANGES
from tools.sample_pictures_and_results import NOW, damage, finding, inspection

SINCE = NOW - timedelta(days=7)


@pytest.fixture
def store(database_url: str) -> Iterator[Inspections]:
    """40 photos: the first ten have a dent, the last ten are dark; every second is unsure."""
    store = Inspections(database_url)
    for number in range(40):
        found = finding(
            *([damage("dent")] if number < 10 else []),
            damage_score=0.9 if number < 10 else 0.1,
            quality=Quality(99.0, 0.2 if number >= 30 else 0.5, "poor" if number == 39 else "good"),
        )
        store.save(
            inspection(f"task-{number}", found, sha256=f"{number:064x}", is_unsure=number % 2 == 0)
        )
    old = inspection("old", finding(), sha256="e" * 64, finished_at=NOW - timedelta(days=30))
    store.save(old)
    yield store
    store.close()


def report(store: Inspections, audit_share: float = 1.0) -> QualityReport:
    return report_quality(store, SINCE, audit_share)


def value(found: Any) -> float:
    assert found is not None
    return round(found.value, 6)


def test_decisions_of_people_say_how_often_the_networks_are_right(store: Inspections) -> None:
    for number in range(40):
        action: tuple[str, dict[str, Any]] = ("confirm", {})
        if number in (0, 1):
            action = ("no_damage", {})
        if number in (30, 31, 32, 33):
            action = ("missed", {"type": "scratch", "point": [1, 1]})
        record(store, f"task-{number}", "ann", action[0], action[1], seconds=6.0)
    found = report(store)
    assert (found.overall.photos, found.overall.labelled, found.audited) == (40, 40, 40)
    assert value(found.overall.precision) == 0.8
    assert value(found.overall.recall) == round(8 / 12, 6)
    assert found.by["light"].keys() == {"dark", "even"}
    dark = found.by["light"]["dark"]
    assert (value(dark.recall), dark.precision) == (0.0, None)
    assert value(found.by["type"]["dent"].precision) == 0.8
    assert value(found.by["type"]["scratch"].recall) == 0.0
    assert value(found.by["bundle"]["1.0.0"].recall) == value(found.overall.recall)
    work = found.people
    assert (work.unsure, work.poor, work.decided) == (0.5, 1 / 40, 40)
    assert (work.found, work.cleared, work.seconds) == (4, 2, 6.0)
    assert work.hours == pytest.approx(40 * 6 / 3600)
    json.dumps(found.to_dict(), allow_nan=False)


def test_cameras_are_distinguished_by_their_make(
    store: Inspections, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras = ["Apple iPhone 12", "Apple iPad", "Apple", "Samsung SM-G9", "Applesauce 3", "It's 5%"]
    for number, camera in enumerate([*cameras, *cameras[:4]]):
        photo = PhotoFacts(f"{900 + number:064x}", 9, 320, 240, camera)
        store.save(inspection(f"camera-{number}", finding(damage()), photo=photo))
        record(store, f"camera-{number}", "ann", "confirm" if number < 6 else "no_damage")
    found = report(store).by["camera"]
    assert {make: accuracy.photos for make, accuracy in found.items()} == {
        "Apple": 6, "Applesauce": 1, "It's": 1, "Samsung": 2, "unknown": 40,
    }  # fmt: skip
    assert value(found["Apple"].precision) == 0.5
    monkeypatch.setattr(quality_sample, "MAX_MAKES", 1)
    found = report(store).by["camera"]
    assert {make: accuracy.photos for make, accuracy in found.items()} == {
        "Apple": 6, "other": 4, "unknown": 40,
    }  # fmt: skip


def test_two_people_who_decided_about_the_same_photos_are_compared(store: Inspections) -> None:
    for number in range(12):
        record(store, f"task-{number}", "ann", "confirm")
    assert report(store).agreement.photos == 0
    for number in range(12):
        record(store, f"task-{number}", "bob", "no_damage" if number < 2 else "confirm")
    # One photo is older than the period, and a request for another photo is not a verdict.
    record(store, "old", "ann", "confirm")
    record(store, "old", "bob", "confirm")
    record(store, "task-20", "ann", "confirm")
    record(store, "task-20", "bob", "retake")
    found = report(store)
    assert (found.agreement.photos, value(found.agreement.share)) == (12, round(10 / 12, 6))
    # By chance, (10 * 8 + 2 * 4) / 144 = 88 / 144 of the photos; (120 - 88) / (144 - 88) = 4 / 7.
    assert found.agreement.kappa == pytest.approx(4 / 7)
    text = " ".join(sentences(found))
    assert "At least two people gave a verdict on 12 photos. The first and the last of them" in text
    assert "damaged or clean: 83.3 % (55.2 to 95.3). Cohen's kappa is 0.57 (1: always" in text
    assert found.to_dict()["agreement"]["kappa"] == found.agreement.kappa


def test_costs_say_what_decisions_save(store: Inspections) -> None:
    for number, action in ((0, "no_damage"), (1, "confirm"), (30, "missed")):
        payload = {"point": [1, 1]} if action == "missed" else {}
        record(store, f"task-{number}", "ann", action, payload, seconds=30.0)
    costs = (150.0, 20.0, 0.5)
    money = report_quality(store, SINCE, 1.0, costs).money
    assert money is not None
    assert (money.time, money.errors, money.saved) == (0.75, 170.0, 169.25)
    assert money.band_hours == pytest.approx(20 * 30 / 3600)
    assert money.band == pytest.approx(5.0)
    text = " ".join(sentences(report_quality(store, SINCE, 1.0, costs)))
    assert (
        "People's time cost 0.75, and the errors that they corrected would have cost 170.00: "
        in text
    )
    assert "169.25 saved. Looking at every photo in the review band takes 0.2 hours" in text
    assert report(store).money is None


def test_the_report_says_which_photos_go_to_people_and_what_that_should_save(
    store: Inspections,
) -> None:
    expected = Expected(0.042, 1.25, 2.0, 0.35, 240.0, 1240.5)
    plan = ReviewPlan((0.05, 0.6), "manifest", (150.0, 20.0, 0.6), "setting", 0.03, expected)
    found = replace(report(store), plan=plan)
    text = " ".join(sentences(found))
    assert "score from 5 % to 60 % go to people (from the bundle's manifest)." in text
    assert (
        "costs 150, a false alarm 20 and a minute of an inspector 0.6 (DAMAGE_REVIEW_COSTS)."
        in text
    )
    assert "On validation photos, that is 4.2 % of the photos: for 1000 photos, people need" in text
    assert "cost 240.00 together, instead of 1,240.50 if nobody looks." in text
    assert found.to_dict()["plan"]["expected"]["share"] == 0.042
    assert "validation" not in " ".join(sentences(report(store)))


def test_without_decisions_only_the_shares_are_known(store: Inspections) -> None:
    found = report(store)
    assert (found.overall.precision, found.overall.recall) == (None, None)
    assert found.people.unsure == 0.5
    assert found.people.seconds is None
    assert report_quality(store, SINCE, 1.0, (1.0, 1.0, 1.0)).money is None


def test_requests_for_another_photo_and_notes_say_nothing_about_damage(store: Inspections) -> None:
    record(store, "task-0", "ann", "retake")
    record(store, "task-1", "ann", "note", {"text": "wet"})
    found = report(store)
    assert (found.overall.labelled, found.people.decided) == (0, 1)


def test_a_corrected_type_is_a_false_alarm_of_one_type_and_a_miss_of_the_other(
    store: Inspections,
) -> None:
    for number in range(10):
        record(store, f"task-{number}", "ann", "wrong_type", {"damage": 1, "type": "scratch"})
    found = report(store)
    assert value(found.overall.precision) == 1.0
    assert value(found.by["type"]["dent"].precision) == 0.0
    assert value(found.by["type"]["scratch"].recall) == 0.0


def test_the_audit_is_a_share_of_digests(store: Inspections) -> None:
    record(store, "task-5", "ann", "confirm")
    assert report(store).audited == 1
    store.save(inspection("late", finding(), sha256="f" * 64))
    record(store, "late", "ann", "confirm")
    assert report(store, audit_share=0.5).audited == 1


def test_an_empty_database_has_a_report(database_url: str) -> None:
    store = Inspections(database_url)
    found = report(store)
    store.close()
    assert (found.overall.photos, found.by["type"]) == (0, {})


def test_light_has_the_limits_of_evaluations() -> None:
    assert {name: 255 * limit for name, limit in LIGHT_LIMITS.items()} == pytest.approx(
        {name: end for name, _, end in BRIGHTNESS_RANGES[:-1]}
    )


def save_many(store: Inspections, number: int) -> None:
    """Save photos of the last six days, one every ten minutes; every third is damaged."""
    for each in range(number):
        found = finding(damage("dent")) if each % 3 == 0 else finding()
        ended = datetime.now(UTC) - timedelta(days=6, minutes=-10 * each)
        store.save(
            inspection(f"many-{each}", found, sha256=f"{9000 + each:064x}", finished_at=ended)
        )


def test_numbers_of_many_photos_are_estimated_from_a_sample(
    store: Inspections, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_many(store, 600)
    record(store, "many-0", "ann", "no_damage")
    with store.transaction() as connection:
        since = datetime.now(UTC) - timedelta(days=6, hours=1)
        monkeypatch.setattr(quality_sample, "MAX_PHOTOS", 300)
        sample = sample_photos(connection, since)
        counts = count_photos(connection, sample, [])
        decided = list(find_decided(connection, since, 1.0))
    assert len(sample.intervals) == 200
    assert sum(counts.photos.values()) == pytest.approx(sample.total, abs=5)
    damaged = sum(n for kind, n in counts.photos.items() if kind.found)
    assert damaged / sample.total == pytest.approx(1 / 3, abs=0.1)
    assert len(decided) == 1


def test_a_report_says_whether_its_numbers_of_photos_are_estimates(
    store: Inspections, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "The numbers of photos are estimated from a sample."
    assert said not in list(sentences(report(store)))
    monkeypatch.setattr(quality_sample, "MAX_PHOTOS", 20)
    found = report(store)
    assert next(sentences(found)) == said
    assert found.to_dict()["photos_are_estimated"]


def test_of_very_many_photos_most_are_not_even_counted(
    store: Inspections, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_many(store, 800)
    monkeypatch.setattr(quality_sample, "MAX_PHOTOS", 100)
    monkeypatch.setattr(examined_photos, "MAX_COUNTED_PHOTOS", 200)
    monkeypatch.setattr(examined_photos, "MIN_PILOT_PHOTOS", 50)
    counted: list[int] = []

    def note(*arguments: Any) -> int:
        counted.append(count(*arguments))
        return counted[-1]

    count = examined_photos.count_photos
    monkeypatch.setattr(examined_photos, "count_photos", note)
    with store.transaction() as connection:
        sample = sample_photos(connection, datetime.now(UTC) - timedelta(days=6, hours=1))
        counts = count_photos(connection, sample, [])
    assert sum(counted) < 400
    assert not sample.is_exact
    assert sample.total == pytest.approx(800, rel=0.4)
    assert sum(counts.photos.values()) == pytest.approx(sample.total, abs=5)
