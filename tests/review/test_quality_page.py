"""The page about the quality in production."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from damage_tasks.errors import DatabaseUnavailable
from damage_tasks.inspection import PhotoFacts
from damage_tasks.production_quality import kept_report, latest_report
from damage_tasks.production_quality.latest_report import LatestReport
from damage_tasks.results.store import Inspections
from damage_tasks.review.recording import record
from damage_tasks.settings import Settings
from tests.review.conftest import Open
from tools.sample_pictures_and_results import damage, finding, inspection
from tools.small_bundles import change_manifest, write_bundle

pytestmark = pytest.mark.server


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=60) as client:
        yield client


def test_it_shows_precision_recall_and_what_goes_to_people(
    review_site: Open, client: httpx2.Client
) -> None:
    with review_site(review_audit_share=1.0, review_costs=(150.0, 20.0, 0.5)) as site:
        for number in range(4):
            photo = PhotoFacts(f"{number:064x}", 9, 640, 480, "Apple <iPad>" if number else None)
            site.add_photo(
                number, finished_at=datetime.now(UTC), is_unsure=number == 0, photo=photo
            )
        for number, action in enumerate(("confirm", "confirm", "no_damage", "confirm")):
            record(site.store, f"task-{number}", "ann", action, seconds=9.0)
        assert 'href="/quality"' in client.get(site.url).text
        page = client.get(f"{site.url}/quality").text
    assert "50.0% (50.0% to 50.0%)" in page
    assert "25.0% of the photos are in the review band" in page
    assert "People decided about 4 photos." in page
    assert "The random audit drew 4 of them." in page
    assert '<th scope="col" class="number">Decisions used</th>' in page
    assert "“Decisions used” counts the photos whose decisions these estimates use" in page
    assert ">Decided<" not in page
    assert "9 seconds for a photo" in page
    assert "cleared 1 false alarm." in page
    assert "with scratch" in page
    assert '<th scope="row">camera Apple</th><td class="number">3</td>' in page
    assert '<th scope="row">unknown camera</th><td class="number">1</td>' in page
    assert "Their time cost 0.30, and the errors that they corrected would have cost 20.00" in page
    assert "19.70 saved" in page


def test_one_photo_and_one_second_are_singular(review_site: Open, client: httpx2.Client) -> None:
    with review_site() as site:
        site.add_photo(0, finished_at=datetime.now(UTC))
        record(site.store, "task-0", "ann", "confirm", seconds=1.0)
        page = client.get(f"{site.url}/quality").text
    assert "People decided about 1 photo." in page
    assert "That took about 0.0 hours, 1 second for a photo." in page


def test_it_shows_what_the_bundle_expects_of_its_review_band(
    review_site: Open, client: httpx2.Client, tmp_path: Path
) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    costs = {"missed": 150, "false_alarm": 20, "minute_of_inspector": 0.6, "prevalence": 0.03}
    figures = {
        "share": 0.042,
        "missed_per_1000": 1.25,
        "false_alarms_per_1000": 2,
        "hours_per_1000": 0.35,
        "cost_per_1000": 240,
        "cost_per_1000_without_people": 1240.5,
    }
    change_manifest(
        bundle,
        review={"low": 0.05, "high": 0.6, "costs": {**costs, "minutes_per_photo": 0.5},
                "expected": figures},
    )  # fmt: skip
    with review_site(bundle=str(bundle)) as site:
        page = client.get(f"{site.url}/quality").text
        korean = client.get(f"{site.url}/quality", headers={"accept-language": "ko"}).text
    assert "Photos with a damage score from 5% to 60% go to people." in page
    assert (
        "A missed damaged photo costs 150.00, a false alarm 20.00 and a minute of an inspector "
        "0.60." in page
    )
    assert page.count("The bundle's manifest says so.") == 2
    assert "On validation photos, 4.2% of the photos are in the review band" in page
    assert "cost 240.00 together, instead of 1,240.50 if nobody looks: 1,000.50 saved." in page
    assert "1,000.5" in korean
    assert "validation photos" not in korean


def test_without_a_band_in_the_manifest_it_names_the_default(
    review_site: Open, client: httpx2.Client, tmp_path: Path
) -> None:
    with review_site(bundle=str(write_bundle(tmp_path / "bundle"))) as site:
        page = client.get(f"{site.url}/quality").text
    assert "Photos with a damage score from 20% to 80% go to people." in page
    assert "This is the default, which follows from no costs." in page
    assert "validation photos" not in page


def test_it_shows_how_far_two_people_agree(review_site: Open, client: httpx2.Client) -> None:
    with review_site() as site:
        for number in range(10):
            site.add_photo(number, finished_at=datetime.now(UTC))
            for person in ("ann", "bob"):
                wrong = person == "bob" and number == 0
                record(site.store, f"task-{number}", person, "no_damage" if wrong else "confirm")
        page = client.get(f"{site.url}/quality").text
        korean = client.get(f"{site.url}/quality", headers={"accept-language": "ko"}).text
    assert "At least two people gave a verdict on 10 photos." in page
    assert (
        "The first and the last of them agree on damaged or clean: 90.0% (59.6% to 98.2%)." in page
    )
    assert "Cohen's kappa is 0.80 (1: always, 0: as often as by chance)." in page
    assert "손상 유무 판정 일치율은 90.0% (59.6% ~ 98.2%)입니다." in korean
    assert "코헨의 카파는 0.80입니다" in korean


def test_it_says_why_there_is_no_kappa(review_site: Open, client: httpx2.Client) -> None:
    with review_site() as site:
        site.add_photo(0, finished_at=datetime.now(UTC))
        assert (
            "At least two people gave a verdict on 0 photos."
            in client.get(f"{site.url}/quality").text
        )
        for person in ("ann", "bob"):
            record(site.store, "task-0", person, "confirm")
    # The report is kept, so another server shows the decisions.
    with review_site() as site:
        page = client.get(f"{site.url}/quality").text
    assert "At least two people gave a verdict on 1 photo." in page
    assert "Cohen's kappa needs 10 photos, and both damaged and clean ones." in page


def test_viewers_do_not_see_it(review_site: Open, client: httpx2.Client) -> None:
    with review_site(
        review_sign_in="basic",
        review_passwords="vic:secret,ann:secret",
        review_roles=("vic=viewer", "ann=inspector"),
    ) as site:
        for name, status in (("vic", 403), ("ann", 200)):
            answer = client.get(f"{site.url}/quality", auth=(name, "secret"))
            assert answer.status_code == status
            shown = client.get(site.url, auth=(name, "secret")).text
            assert ("/quality" in shown) == (status == 200)


def test_the_report_is_kept_for_some_minutes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Inspections(database_url)
    reports = LatestReport(store, Settings(quality_days=7))
    assert reports.get().overall.photos == 0
    now = datetime.now(UTC)
    store.save(inspection("new", finding(damage()), finished_at=now))
    store.save(inspection("old", finding(), sha256="c" * 64, finished_at=now - timedelta(days=8)))
    assert reports.get().overall.photos == 0
    monkeypatch.setattr(kept_report, "LIFETIME", timedelta(0))
    assert reports.get().overall.photos == 1
    store.close()


def test_a_report_that_failed_is_not_repeated_at_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, attempts = Inspections(database_url), []

    def fail(*_: Any) -> None:
        attempts.append(1)
        raise DatabaseUnavailable("the statement took too long")

    reports = LatestReport(store, Settings())
    with monkeypatch.context() as patch:
        patch.setattr(latest_report, "report_quality", fail)
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable, match="took too long"):
                reports.get()
    assert len(attempts) == 1
    monkeypatch.setattr(kept_report, "PAUSE_AFTER_FAILURE", timedelta(0))
    assert reports.get().overall.photos == 0
    store.close()
