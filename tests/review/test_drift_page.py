"""The page about drift, in a real browser and in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from damage_tasks.inspection import Quality
from damage_tasks.results import examined_photos, photo_sample
from tests.review.conftest import Open, ReviewSite
from tests.review.test_korean_page import english_words
from tests.review.test_review_browser import DESK, PHONE, violations
from tools.sample_pictures_and_results import finding

pytestmark = pytest.mark.server
PHOTOS = 52


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.fixture
def site(review_site: Open) -> Iterator[ReviewSite]:
    """The photos of today are darker than those of three days ago, which are the reference."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = today - timedelta(days=3), today - timedelta(days=2)
    with review_site(drift_photos=50, drift_reference=days, time_zone="Pacific/Kiritimati") as site:
        for day, brightness in ((-3, 0.5), (0, 0.2)):
            for number in range(PHOTOS):
                found = finding(quality=Quality(90.0 + number, brightness + number / 1000, "good"))
                finished = datetime.now(UTC) - timedelta(minutes=number) if day == 0 else days[0]
                id = f"{day + 3}-{number}".encode()
                site.add_photo(
                    number + PHOTOS * (day == 0), id, found=found, kept=number < 6,
                    finished_at=finished, camera="Apple iPhone 14" if day else None,
                )  # fmt: skip
        yield site


@pytest.mark.parametrize("kind", [DESK, PHONE], ids=["desk", "phone"])
def test_drifted_figures_have_plots_and_examples(
    site: ReviewSite, chromium: Any, kind: dict[str, Any]
) -> None:
    page = chromium.new_context(**kind).new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.goto(f"{site.url}/quality")
    page.get_by_role("link", name="Whether the photos have changed").click()
    page.get_by_role("heading", name="brightness drifted").wait_for()
    page.get_by_text("The photos differ from the reference.").wait_for()
    figure = page.locator("section.figure", has=page.get_by_role("heading", name="brightness"))
    assert figure.locator("rect.expected").count() == figure.locator("rect.actual").count() > 5
    assert figure.locator(".examples img").count() == 4
    page.get_by_role("heading", name="PSI of the days before (Pacific/Kiritimati)").wait_for()
    camera = page.locator("section.figure", has=page.get_by_role("heading", name="camera make"))
    camera.get_by_text("Shares").click()
    assert [row.inner_text().split("\t") for row in camera.get_by_role("row").all()[1:]] == [
        ["apple", "100.0%", "0.0%"], ["unknown camera", "0.0%", "100.0%"],
    ]  # fmt: skip
    figure.get_by_text("Shares").click()
    assert figure.get_by_role("row").count() > 5
    assert violations(page) == []
    widths = page.locator("html").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert widths[0] <= widths[1]
    page.wait_for_load_state("networkidle")
    assert problems == []
    with page.expect_navigation():
        figure.locator(".examples a").first.click()
    assert "/inspections/" in page.url


def test_the_page_is_korean(site: ReviewSite, chromium: Any) -> None:
    page = chromium.new_context(**DESK, locale="ko-KR").new_page()
    page.goto(f"{site.url}/drift")
    page.get_by_text("사진이 기준과 다릅니다").wait_for()
    assert english_words(page) <= {"PSI", "KS", "Pacific", "Kiritimati", "apple"}
    page.get_by_text("카메라 정보 없음").first.wait_for(state="attached")
    assert violations(page) == []


def test_an_estimated_number_of_photos_is_called_so(
    site: ReviewSite, chromium: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examined_photos, "MAX_COUNTED_PHOTOS", 20)
    monkeypatch.setattr(photo_sample, "MAX_READ_PHOTOS", photo_sample.MAX_PHOTOS)
    page = chromium.new_context(**DESK).new_page()
    page.goto(f"{site.url}/drift")
    page.get_by_role("cell", name=f"about {PHOTOS}", exact=True).wait_for()


def test_photos_that_are_too_few_are_counted_and_not_compared(
    review_site: Open, chromium: Any
) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = today - timedelta(days=3), today - timedelta(days=2)
    with review_site(drift_photos=50, drift_reference=days) as site:
        for number in range(PHOTOS + 1):
            finished = datetime.now(UTC) if number == PHOTOS else days[0]
            site.add_photo(number, f"{number}".encode(), finished_at=finished)
        page = chromium.new_context(**DESK).new_page()
        page.goto(f"{site.url}/drift")
        page.get_by_text("1 photo is too few to compare; 50 are needed.").wait_for()
        assert "compared with" not in page.inner_text("#page")
        page.get_by_text("This reference is a setting").wait_for()


def test_without_photos_it_says_what_is_missing(review_site: Open, chromium: Any) -> None:
    with review_site() as site:
        page = chromium.new_context(**DESK).new_page()
        page.goto(f"{site.url}/drift")
        page.get_by_text("There is no reference yet").wait_for()
