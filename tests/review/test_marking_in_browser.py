"""Missed damage is marked and outlined in a real browser, by pointer, touch and keyboard."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from damage_tasks.inspection import PhotoFacts
from damage_tasks.labelling.class_masks import CLASS_IDS
from damage_tasks.labelling.export_choice import PhotoChoice
from damage_tasks.labelling.photo_export import export_photos
from damage_tasks.settings import get_settings
from tests.review.conftest import HEIGHT, WIDTH, Open, ReviewSite
from tests.review.test_review_browser import (
    DESK,
    PHONE,
    actions,
    drawn_photo,
    press,
    step,
    violations,
)
from tests.screenshots import keep_screenshot
from tools.sample_pictures_and_results import damage, finding

pytestmark = pytest.mark.server
TRIANGLE = ((250, 200), (350, 200), (350, 280))


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.fixture
def site(review_site: Open) -> Iterator[ReviewSite]:
    with review_site() as site:
        site.add_photo(1)  # without damage
        yield site


def opened(chromium: Any, site: ReviewSite, kind: dict[str, Any], id: str = "task-1") -> Any:
    """The page of the photo, with everything that it needs for marking."""
    page = chromium.new_context(**kind).new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{site.url}/inspections/{id}")
    page.wait_for_function("() => document.querySelector('#stage svg').getScreenCTM()")
    return page


def place_on_screen(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the photo is in the window."""
    found: list[float] = page.evaluate(
        """([x, y]) => {
          const matrix = document.querySelector("#stage svg").getScreenCTM();
          const place = new DOMPoint(x, y).matrixTransform(matrix);
          return [place.x, place.y];
        }""",
        [x, y],
    )
    return found[0], found[1]


def press_all(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def mask_after_export(site: ReviewSite, folder: Path) -> Any:
    export_photos(site.store, get_settings(), folder, PhotoChoice())
    (path,) = (folder / "masks").iterdir()
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("kind", [DESK, PHONE], ids=["desk", "phone"])
def test_a_missed_damage_is_outlined_by_pointer_and_is_in_the_mask_of_the_export(
    chromium: Any, site: ReviewSite, tmp_path: Path, kind: dict[str, Any]
) -> None:
    page = opened(chromium, site, kind)
    point = page.touchscreen.tap if kind is PHONE else page.mouse.click
    push = "tap" if kind is PHONE else "click"
    getattr(page.get_by_role("button", name="Missed damage"), push)()
    getattr(page.get_by_role("button", name="Draw the outline"), push)()
    expect(page.locator("#marking-label")).to_contain_text("Outline of missed damage")
    assert violations(page) == []
    getattr(page.locator("#marking").get_by_role("button", name="scratch"), push)()
    for number, (x, y) in enumerate(TRIANGLE, 1):
        expect(page.locator("#stage svg")).to_be_in_viewport(ratio=0.9)
        point(*place_on_screen(page, x, y))
        expect(page.locator("#drawing .corner")).to_have_count(number)
    with step(page):
        getattr(page.locator("#marking").get_by_role("button", name="Save"), push)()
    ((action, payload),) = actions(site, "task-1")
    assert (action, payload["type"]) == ("missed", "scratch")
    for (x, y), (wanted_x, wanted_y) in zip(payload["polygon"], TRIANGLE, strict=True):
        assert abs(x - wanted_x) < 5 and abs(y - wanted_y) < 5
    expect(page.locator("#outlines polygon.corrected")).to_have_count(1)
    mask = mask_after_export(site, tmp_path / "out")
    assert (mask[210, 340], mask[270, 260]) == (CLASS_IDS["scratch"], 0)
    with step(page):
        getattr(page.get_by_role("button", name="Undo"), push)()
    assert actions(site, "task-1") == []
    expect(page.locator("#outlines polygon.corrected")).to_have_count(0)
    page.close()


def test_a_missed_damage_is_outlined_by_keyboard(
    chromium: Any, site: ReviewSite, tmp_path: Path
) -> None:
    page = opened(chromium, site, DESK)
    page.keyboard.press("d")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator("#marking-label")).to_have_text("An outline needs at least three corners.")
    for keys in (["ArrowRight"] * 10, ["ArrowDown"] * 10, ["ArrowDown"]):
        press_all(page, *keys, "Space")
    page.keyboard.press("Delete")
    press(page, "2", "Enter")
    ((action, payload),) = actions(site, "task-1")
    x, y = WIDTH // 2, HEIGHT // 2
    (first, second, third) = payload["polygon"]
    assert (action, payload["type"], first) == ("missed", "dent", [x, y])
    assert (second[1], third[0]) == (y, second[0])
    assert second[0] > x + 20 and third[1] > y + 20
    mask = mask_after_export(site, tmp_path / "out")
    assert mask[y + 5, second[0] - 5] == CLASS_IDS["dent"]
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("Draw the outline of missed damage").wait_for()
    page.close()


def test_an_outline_on_one_line_is_not_sent_until_a_corner_x(
    chromium: Any, site: ReviewSite
) -> None:
    page = opened(chromium, site, DESK)
    page.keyboard.press("d")
    for keys in ([], ["ArrowRight"] * 5, ["ArrowRight"] * 5):
        press_all(page, *keys, "Space")
    page.keyboard.press("Enter")
    expect(page.locator("#marking-label")).to_have_text(
        "All corners are on one line: move one aside, or add another."
    )
    assert actions(site, "task-1") == []
    press_all(page, *["ArrowDown"] * 5, "Space")
    press(page, "Enter")
    ((_, payload),) = actions(site, "task-1")
    assert len(payload["polygon"]) == 4
    page.close()


def test_an_outline_whose_sides_cross_is_not_sent(chromium: Any, site: ReviewSite) -> None:
    page = opened(chromium, site, DESK)
    page.keyboard.press("d")
    for x, y in ((250, 200), (350, 280), (350, 200), (250, 280)):
        page.mouse.click(*place_on_screen(page, x, y))
    page.keyboard.press("Enter")
    expect(page.locator("#marking-label")).to_have_text(
        "Sides of the outline cross: move a corner, or remove it."
    )
    assert actions(site, "task-1") == []
    page.keyboard.press("Delete")
    press(page, "Enter")
    ((_, payload),) = actions(site, "task-1")
    assert len(payload["polygon"]) == 3
    page.close()


def test_an_outline_of_the_networks_that_crosses_itself_can_be_corrected(
    chromium: Any, site: ReviewSite
) -> None:
    crossed = ((100, 100), (200, 180), (200, 100), (100, 180))
    damaged = replace(damage("dent"), bbox=(100, 100, 100, 80), polygon=crossed)
    found = finding(damaged, photo_size=(WIDTH, HEIGHT))
    site.add_photo(2, found=found)
    page = opened(chromium, site, DESK, "task-2")
    press_all(page, "1", "e", "ArrowLeft")
    press(page, "Enter")
    ((_, payload),) = actions(site, "task-2")
    assert sorted(payload["polygon"])[1:] == [[100, 180], [200, 100], [200, 180]]
    assert payload["polygon"][0][0] < 100
    page.close()


@pytest.mark.parametrize("kind", [DESK, PHONE], ids=["desk", "phone"])
def test_a_place_outside_the_photo_is_refused(
    chromium: Any, site: ReviewSite, kind: dict[str, Any]
) -> None:
    page = opened(chromium, site, kind)
    page.get_by_role("button", name="Missed damage").click()
    box = page.locator("#stage svg").bounding_box()
    outside = (box["x"] + box["width"] / 2, box["y"] + 1)
    assert outside[1] < place_on_screen(page, 0, 0)[1]
    page.mouse.click(*outside)
    expect(page.locator("#marking-label")).to_have_text("That place is outside the photo.")
    assert actions(site, "task-1") == []
    with step(page):
        page.mouse.click(*place_on_screen(page, WIDTH - 0.3, HEIGHT / 2))
    ((_, payload),) = actions(site, "task-1")
    assert payload["point"][0] == WIDTH - 1
    page.close()


def test_an_outline_that_does_not_arrive_can_be_sent_again(chromium: Any, site: ReviewSite) -> None:
    page = opened(chromium, site, DESK)
    page.route("**/decisions", lambda route: route.abort())
    page.keyboard.press("d")
    for x, y in TRIANGLE:
        page.mouse.click(*place_on_screen(page, x, y))
    page.keyboard.press("Enter")
    expect(page.locator("#marking-label")).to_contain_text("Nothing was saved")
    page.unroute("**/decisions")
    press(page, "Enter")
    ((_, payload),) = actions(site, "task-1")
    assert len(payload["polygon"]) == 3
    page.close()


@pytest.mark.slow
def test_marking_looks_as_in_the_documentation(
    chromium: Any, review_site: Open, tmp_path: Path
) -> None:
    data, right = drawn_photo()
    *found, missed = right.damages
    digest = hashlib.sha256(data).hexdigest()
    with review_site() as site:
        site.add_photo(
            1, data, sha256=digest, photo=PhotoFacts(digest, len(data), 1280, 960),
            found=replace(right, damages=tuple(found)), verdict=right.verdict,
        )  # fmt: skip
        page = opened(chromium, site, DESK)
        page.wait_for_load_state("networkidle")
        page.keyboard.press("d")
        page.locator("#marking").get_by_role("button", name=missed.type).click()
        corners = cv2.approxPolyDP(np.array(missed.polygon, np.int32)[:, None], 12, closed=True)
        for x, y in corners[:, 0]:
            page.mouse.click(*place_on_screen(page, float(x), float(y)))
        expect(page.locator("#drawing .corner")).to_have_count(len(corners))
        keep_screenshot(page, "review-marking.jpg", tmp_path)
        page.close()
