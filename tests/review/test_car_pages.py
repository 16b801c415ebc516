"""An inspection's page shows the other photos of its case, and which of its damage is new."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from damage_tasks.car_history import history
from damage_tasks.car_history.view_matching import describe
from damage_tasks.errors import OriginalUnavailable
from damage_tasks.photos import decode
from damage_tasks.results.tables import car_comparisons
from damage_tasks.review import car_pages
from tests.car_history.panels import (
    OTHER_PLACE,
    SCRATCH,
    jpeg_of,
    panel,
    photographed,
    scratched,
    view,
)
from tests.review.conftest import HEIGHT, WIDTH, Open, ReviewSite
from tools.sample_pictures_and_results import damage, finding

pytestmark = pytest.mark.server
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


def area(outline: Any) -> Any:
    return replace(damage("scratch"), polygon=outline, bbox=(*outline[0], 100, 60))


def add(site: ReviewSite, number: int, picture: Any, *areas: Any, **changes: Any) -> str:
    """Store an inspection of a photo of car 7 that ended ``number`` days before noon."""
    values = {
        "metadata": {"car_id": 7},
        "finished_at": NOON - timedelta(days=number),
        "found": finding(*areas, photo_size=(WIDTH, HEIGHT)),
        **changes,
    }
    return site.add_photo(number, jpeg_of(picture), **values)


def add_car(site: ReviewSite, **changes: Any) -> str:
    """Store yesterday's photo, with an old scratch, and today's, with a new one as well.

    ``changes`` are those of today's inspection, whose id is returned.
    """
    before = photographed(scratched(panel(), OTHER_PLACE), view(turn=3, zoom=0.95))
    add(site, 1, before, area(((70, 345), (190, 345), (190, 410), (70, 410))))
    now = scratched(scratched(panel()), OTHER_PLACE)
    return add(site, 0, now, area(SCRATCH), area(OTHER_PLACE), **changes)


def read(site: ReviewSite, path: str) -> str:
    answer = httpx2.get(site.url + path, headers={"Host": "127.0.0.1"}, timeout=60)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", answer.text)


def read_ended(site: ReviewSite, id: str) -> str:
    """The history of an inspection once all photos are compared."""
    text = read(site, f"/inspections/{id}/history")
    end = time.monotonic() + 60
    while "waiting=1" in text and time.monotonic() < end:
        time.sleep(0.1)
        text = read(site, f"/inspections/{id}/history?waiting=1")
    return text


def test_new_and_old_damage_are_shown_with_the_earlier_photo(review_site: Open) -> None:
    with review_site() as site:
        id = add_car(site)
        text = read_ended(site, id)
        new, old = text.split("<li>")[1:]
        assert ">new</span>" in new
        assert "shows this place without damage" in new
        assert ">seen before</span>" in old
        assert all('href="/inspections/task-1"' in each for each in (new, old))
        assert "waiting=1" not in read(site, f"/inspections/{id}/history")


def test_the_page_itself_compares_nothing(
    review_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "describe", None)
    with review_site() as site:
        text = read(site, f"/inspections/{add_car(site)}")
        assert 'hx-get="/inspections/task-0/history"' in text
        assert "case-photos" not in text
    with review_site(history_photos=0) as site:
        assert "hx-get" not in read(site, "/inspections/task-0")


def test_one_inspection_is_compared_at_a_time(
    review_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = [0], [0]
    lock = threading.Lock()

    def watched(pixels: Any) -> Any:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        found = describe(pixels)
        with lock:
            running[0] -= 1
        return found

    monkeypatch.setattr(history, "describe", watched)
    with review_site() as site:
        add_car(site)
        again = add(site, -1, photographed(scratched(panel()), view(turn=1)), area(SCRATCH))
        begun = [read(site, f"/inspections/{id}/history") for id in ("task-0", again)]
        assert all("waiting=1" in text for text in begun)
        for id in ("task-0", again):
            read_ended(site, id)
    assert most == [1]


def test_a_failure_is_shown_and_not_repeated_by_the_page(
    review_site: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(history, "describe", None)
    with review_site() as site:
        text = read_ended(site, add_car(site))
        assert "cannot be compared at the moment" in text
        assert "waiting=1" not in text
    assert "task-0 was not compared" in caplog.text


def test_a_photo_that_is_not_kept_is_named_as_the_reason(
    review_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> bytes:
        raise OriginalUnavailable("no copy was kept")

    monkeypatch.setattr(history, "read_original", refuse)
    with review_site() as site:
        text = read_ended(site, add_car(site))
        assert text.count("This photo is not kept.") == 2
        assert "waiting=1" not in text


def test_a_stopping_page_does_not_wait_for_comparisons(
    review_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(pixels: Any) -> Any:
        time.sleep(0.2)
        return describe(pixels)

    monkeypatch.setattr(history, "describe", slow)
    with review_site() as site:
        for days in range(1, 12):
            add(site, days, photographed(panel(), view(turn=days)))
        read(site, f"/inspections/{add(site, 0, panel(), area(SCRATCH))}/history")
        stopped = time.monotonic()
    assert time.monotonic() - stopped < 5
    with site.store.transaction() as connection:
        assert len(connection.execute(car_comparisons.select()).all()) < 11


def test_other_photos_of_the_case_are_shown_with_their_verdicts(
    review_site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(car_pages, "MAX_CASE_PHOTOS", 2)
    with review_site() as site:
        for number in range(4):
            site.add_photo(number, case_id="return <1>")
        site.add_photo(5, case_id="return-2")
        assert 'hx-get="/inspections/task-0/case-photos"' in read(site, "/inspections/task-0")
        text = read(site, "/inspections/task-0/case-photos")
        assert re.findall(r'href="/inspections/(.+?)"', text) == ["task-1", "task-2"]
        assert re.findall(r'class="verdict (\w+)"', text) == ["clean", "damaged"]
        assert "return &lt;1&gt;" in text
        assert "Only the first 2 photos" in text
        assert "There are none" in read(site, "/inspections/task-5/case-photos")
        thumbnail = httpx2.get(f"{site.url}/inspections/task-1/thumbnail", timeout=60).content
        assert decode(thumbnail).pixels.shape == (180, 240, 3)
