"""Keys of the inspectors' page that are held down, shifted or pressed while the page is stale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.review.conftest import Open, ReviewSite

pytestmark = pytest.mark.server


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.fixture
def site(review_site: Open) -> Iterator[ReviewSite]:
    with review_site() as site:
        for number in (0, 2, 4):
            site.add_photo(number)
        yield site


@pytest.fixture
def page(chromium: Any, site: ReviewSite) -> Iterator[Any]:
    page = chromium.new_context().new_page()
    page.set_default_timeout(20_000)
    page.goto(site.url)
    page.get_by_role("link", name="Begin").click()
    page.wait_for_selector("#stage")
    page.wait_for_load_state("load")  # the scripts have run: forms are sent by htmx
    yield page
    page.close()


def decided(site: ReviewSite) -> int:
    with site.store.transaction() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar_one())


def test_a_key_that_is_held_down_decides_about_one_photo(page: Any, site: ReviewSite) -> None:
    before = page.url
    page.keyboard.down("c")
    page.wait_for_function("before => location.href !== before", arg=before)
    for _ in range(10):
        page.keyboard.down("c")
    page.wait_for_timeout(300)
    page.keyboard.up("c")
    assert decided(site) == 1


@pytest.mark.parametrize("event", [{"key": "C", "code": "KeyC"}, {"key": "ㅊ", "code": "KeyC"}])
def test_caps_lock_and_a_korean_keyboard_change_no_key(
    event: dict[str, str], page: Any, site: ReviewSite
) -> None:
    before = page.url
    page.evaluate(
        "event => document.body.dispatchEvent("
        "new KeyboardEvent('keydown', { ...event, bubbles: true }))",
        event,
    )
    page.wait_for_function("before => location.href !== before", arg=before)
    assert decided(site) == 1


def test_a_decision_that_does_not_arrive_is_reported(page: Any, site: ReviewSite) -> None:
    page.context.set_offline(True)
    page.keyboard.press("c")
    expect(page.locator("#mode")).to_have_text(
        "The page could not be reached. Nothing was saved; try again."
    )
    page.context.set_offline(False)
    before = page.url
    page.keyboard.press("c")
    page.wait_for_function("before => location.href !== before", arg=before)
    assert decided(site) == 1


def test_an_outdated_form_says_so(page: Any, site: ReviewSite) -> None:
    page.context.clear_cookies()
    page.keyboard.press("c")
    expect(page.locator("h1")).to_have_text("Open the page again: its form is too old.")
    page.get_by_role("link", name="Back to the work lists").click()
    expect(page.locator("h1")).not_to_have_text("Open the page again: its form is too old.")
    assert decided(site) == 0


def test_a_correction_is_drawn_on_the_photo(page: Any, site: ReviewSite) -> None:
    here = page.url
    page.keyboard.press("m")
    before = page.url
    page.keyboard.press("Enter")
    page.wait_for_function("before => location.href !== before", arg=before)
    page.goto(here)
    expect(page.locator("#outlines .corrected")).to_have_count(1)
