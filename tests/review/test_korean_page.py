"""The page in Korean, in a real browser: nothing is left in English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from damage_tasks.inspection import Quality
from damage_tasks.review.recording import record
from tests.review.conftest import Open, ReviewSite
from tests.review.test_car_pages import add_car
from tests.review.test_review_browser import DESK, PHONE, violations
from tools.sample_pictures_and_results import damage, failed_inspection, finding

pytestmark = pytest.mark.server
# Names, identifiers, keys and units.
NAMES = {
    "Delete", "Enter", "Esc", "ID", "IMG", "Tab", "UTC", "ann", "b" * 12, "bundle", "car",
    "default", "jpg", "local", "ms", "task", "test", "wet",
}  # fmt: skip
PATHS = (
    "/", "/lists/all", "/lists/damaged?verdict=damaged", "/lists/audit/next?after=none", "/quality",
    "/inspections/task-0", "/inspections/task-1", "/inspections/task-2", "/nothing",
)  # fmt: skip
# Also texts that are hidden, but not those that are marked as English.
SHOWN_TEXTS = """() => {
  const texts = [document.title];
  const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (all.nextNode())
    if (!all.currentNode.parentElement.closest('[lang="en"]')) texts.push(all.currentNode.data);
  for (const each of document.querySelectorAll("[aria-label], [placeholder], [title], [alt]"))
    for (const name of ["aria-label", "placeholder", "title", "alt"])
      texts.push(each.getAttribute(name) ?? "");
  return texts.join("\\n");
}"""


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.fixture
def site(review_site: Open) -> Iterator[ReviewSite]:
    """The page with a decided, a damaged, an unreadable and a poor photo."""
    with review_site(review_audit_share=1.0) as site:
        poor = Quality(3.0, 0.1, "poor", ("blurred", "too_dark"))
        site.add_photo(0)
        site.add_photo(1, found=finding(damage("breakage"), damage("spacing"), quality=poor))
        site.store.save(failed_inspection("task-2"))
        for action, payload in (("wrong_type", {"damage": 1, "type": "scratch"}),
                                ("severity", {"damage": 1, "severity": "severe"}),
                                ("missed", {"point": [5, 5]}), ("retake", {}),
                                ("note", {"text": "wet car"})):  # fmt: skip
            record(site.store, "task-0", "ann", action, payload)
        yield site


def english_words(page: Any) -> set[str]:
    """The English words on ``page`` besides names."""
    return set(re.findall(r"[A-Za-z]{2,}", page.evaluate(SHOWN_TEXTS))) - NAMES


@pytest.mark.parametrize("kind", [DESK, PHONE], ids=["desk", "phone"])
def test_no_text_is_left_in_english_and_nothing_overflows(
    site: ReviewSite, chromium: Any, kind: dict[str, Any]
) -> None:
    page = chromium.new_context(**kind, locale="ko-KR").new_page()
    for path in PATHS:
        page.goto(site.url + path)
        page.wait_for_load_state("networkidle")
        assert page.locator("html").get_attribute("lang") == "ko"
        assert english_words(page) == set(), path
        assert violations(page) == [], path
        widths = page.locator("html").evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert widths[0] <= widths[1], path
    page.goto(f"{site.url}/inspections/task-0")
    for key in ("?", "Escape", "1", "t"):
        page.keyboard.press(key)
        assert english_words(page) == set()
    assert "스크래치" in page.locator("#mode").inner_text()
    page.keyboard.press("Escape")  # not a type
    page.keyboard.press("m")
    assert page.locator("#marking-label").inner_text().startswith("누락 손상")
    assert english_words(page) == set()
    assert violations(page) == []


@pytest.mark.parametrize("kind", [DESK, PHONE], ids=["desk", "phone"])
def test_the_case_and_the_history_of_the_car_are_korean(
    review_site: Open, chromium: Any, kind: dict[str, Any]
) -> None:
    with review_site() as site:
        id = add_car(site, case_id="case-1")
        site.add_photo(2, case_id="case-1")
        site.add_photo(3, case_id="case-1", kept=False)
        page = chromium.new_context(**kind, locale="ko-KR").new_page()
        page.goto(f"{site.url}/inspections/{id}")
        page.locator("#case-photos").get_by_role("link").first.wait_for()
        page.locator("#car-history").get_by_text("새 손상").wait_for()
        page.locator("#car-history [role=status]").wait_for(state="detached")
        assert english_words(page) <= {"case"}
        assert violations(page) == []
        widths = page.locator("html").evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert widths[0] <= widths[1]


def test_a_person_switches_the_language_and_stays_on_the_page(
    site: ReviewSite, chromium: Any
) -> None:
    page = chromium.new_context(**DESK).new_page()
    page.goto(f"{site.url}/inspections/task-0?list=damaged")
    page.get_by_role("button", name="한국어").click()
    page.get_by_role("button", name="확정").first.wait_for()
    assert page.url.endswith("/inspections/task-0?list=damaged")
    page.reload()
    assert page.locator("html").get_attribute("lang") == "ko"
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Confirm").first.wait_for()
