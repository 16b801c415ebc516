"""Inspectors at work in a real browser, at a desk and with a phone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, expect

from damage_tasks.inspection import Finding, PhotoFacts
from damage_tasks.labelling.class_masks import CLASS_IDS
from damage_tasks.labelling.export_choice import PhotoChoice
from damage_tasks.labelling.photo_export import export_photos
from damage_tasks.review import pages
from damage_tasks.samples.car_photo import TYPES, draw_sample
from damage_tasks.settings import get_settings
from tests.review.conftest import HEIGHT, WIDTH, Open, ReviewSite
from tests.screenshots import keep_screenshot
from tools.sample_pictures_and_results import NOW, damage, failed_inspection, finding, jpeg

pytestmark = pytest.mark.server
DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PEOPLE: dict[str, Any] = {
    "review_sign_in": "basic",
    "review_passwords": "ann:a-secret,bob:b-secret,vic:v-secret,eve:e-secret",
    "review_roles": ("ann=inspector", "bob=inspector", "vic=viewer"),
}
Visit = Callable[..., Any]


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.fixture
def visit(chromium: Any) -> Iterator[Visit]:
    """Opens a page for one person; its errors fail the test, except those in ``expected``."""
    problems: list[str] = []

    def open_page(name: str | None = None, kind: dict[str, Any] = DESK, expected: str = "") -> Any:
        signed_in = {"username": name, "password": f"{name[:1]}-secret"} if name else None
        page = chromium.new_context(**kind, http_credentials=signed_in).new_page()
        page.set_default_timeout(20_000)

        def notice(text: str) -> None:
            if not expected or expected not in text:
                problems.append(text)

        page.on(
            "console", lambda message: notice(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: notice(str(error)))
        return page

    yield open_page
    assert not problems


@contextmanager
def step(page: Any) -> Iterator[None]:
    """Wait until the page shows something else."""
    before = page.url
    yield
    page.wait_for_function("before => location.href !== before", arg=before)
    page.wait_for_selector("#page")


def press(page: Any, *keys: str) -> None:
    """Press ``keys``, and wait until the last one has led to another page."""
    with step(page):
        for key in keys:
            page.keyboard.press(key)


def actions(site: ReviewSite, id: str) -> list[tuple[str, dict[str, Any]]]:
    """What has been decided about ``id``, without what was undone."""
    return [
        (str(decision.action), dict(decision.payload))
        for decision in site.decisions(id)
        if decision.undone_at is None
    ]


def violations(page: Any) -> list[str]:
    """What axe finds on the page."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("kind", [DESK, PHONE], ids=["desk", "phone"])
def test_ten_photos_are_decided_by_keyboard_alone(
    review_site: Open, visit: Visit, kind: dict[str, Any]
) -> None:
    with review_site() as site:
        ids = [site.add_photo(number) for number in range(10)]
        page = visit(kind=kind)
        page.goto(site.url)
        press(page, "Enter")
        expected: dict[str, str] = {}
        for number, key in enumerate("cnrccnccrc"):
            page.wait_for_function("() => document.querySelector('#photo')")
            id = page.url.rpartition("/")[2].partition("?")[0]
            expected[id] = {"c": "confirm", "n": "no_damage", "r": "retake"}[key]
            assert len(expected) == number + 1
            press(page, key)
        page.get_by_role("heading", name="End of the list").wait_for()
        assert set(expected) == set(ids)
        assert {id: actions(site, id)[0][0] for id in ids} == expected
        first = site.decisions(ids[0])[0]
        assert first.person == "local"
        assert first.seconds is not None
        press(page, "u")
        page.get_by_role("status").get_by_text("Undone").wait_for()
        assert sum(len(actions(site, id)) for id in ids) == 9
        press(page, "c")
        page.get_by_role("heading", name="End of the list").wait_for()


def test_damaged_areas_are_corrected_by_keyboard(review_site: Open, visit: Visit) -> None:
    with review_site() as site:
        id = site.add_photo(0)
        page = visit()
        page.goto(f"{site.url}/inspections/{id}")
        page.wait_for_function("() => document.querySelector('#stage svg').getScreenCTM()")
        press(page, "2", "n")
        assert actions(site, id) == [("no_damage", {"damage": 2})]
        press(page, "1", "t", "3")
        assert actions(site, id)[-1] == ("wrong_type", {"damage": 1, "type": "scratch"})
        press(page, "1", "s", "2")
        assert actions(site, id)[-1] == ("severity", {"damage": 1, "severity": "moderate"})
        page.keyboard.press("1")
        page.keyboard.press("e")
        page.get_by_role("status").get_by_text("Correct the outline").wait_for()
        press(page, "Tab", *["ArrowDown"] * 3, "Enter")
        action, payload = actions(site, id)[-1]
        assert action == "reshape"
        moved = payload["polygon"]
        assert (moved[0], moved[2]) == ([100, 100], [180, 160])
        assert moved[1][0] == 180
        assert moved[1][1] > 100
        press(page, "m", "ArrowRight", "Enter")
        action, payload = actions(site, id)[-1]
        assert action == "missed"
        assert payload["point"][1] == HEIGHT // 2
        assert payload["point"][0] > WIDTH // 2
        page.keyboard.press("x")
        page.keyboard.type("wet car, c and n are text here")
        press(page, "Enter")
        assert actions(site, id)[-1] == ("note", {"text": "wet car, c and n are text here"})


@pytest.mark.parametrize("kind", [DESK, PHONE], ids=["desk", "phone"])
def test_a_corrected_outline_is_in_the_mask_of_the_export(
    review_site: Open, visit: Visit, tmp_path: Path, kind: dict[str, Any]
) -> None:
    with review_site() as site:
        id = site.add_photo(0)
        page = visit(kind=kind)
        page.goto(f"{site.url}/inspections/{id}")
        page.wait_for_function("() => document.querySelector('#stage svg').getScreenCTM()")
        page.keyboard.press("1")
        page.keyboard.press("e")
        page.get_by_role("status").get_by_text("Correct the outline").wait_for()
        press(page, "Tab", *["ArrowDown"] * 20, "Enter")
        (x, y) = actions(site, id)[-1][1]["polygon"][1]
        assert y > 110
        export_photos(site.store, get_settings(), tmp_path / "out", PhotoChoice())
        (path,) = (tmp_path / "out/masks").iterdir()
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        dent, scratch = CLASS_IDS["dent"], CLASS_IDS["scratch"]
        # The corner was at (180, 100).
        assert (mask[y, x], mask[100, 180], mask[100, 100]) == (dent, 0, dent)
        assert mask[310, 490] == scratch


def test_filters_hold_together_from_page_to_page(
    review_site: Open, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_LENGTH", 2)
    with review_site() as site:
        for number in range(12):
            camera = "Apple iPhone 14" if number % 4 == 0 else "Samsung SM-G991B"
            data = jpeg(WIDTH, HEIGHT, seed=number)
            digest = hashlib.sha256(data).hexdigest()
            site.add_photo(
                number,
                data,
                photo=PhotoFacts(digest, len(data), WIDTH, HEIGHT, camera),
                case_id="return 1",
                finished_at=NOW + timedelta(minutes=number),
            )
        page = visit()
        page.goto(f"{site.url}/lists/all")
        for label, choice in (("Verdict", "damaged"), ("Type", "dent"), ("Severity", "minor")):
            page.get_by_label(label).select_option(choice)
        for name, text in (
            ("min_score", "30"), ("case", "return 1"), ("camera", "apple"), ("bundle", "1.0.0"),
            ("since", f"{NOW:%Y-%m-%d}"), ("until", f"{NOW:%Y-%m-%d}"),
        ):  # fmt: skip
            page.locator(f"form.filters [name={name}]").fill(text)
        with step(page):
            page.get_by_role("button", name="Filter").click()
        assert page.locator("tbody a").all_inner_texts() == ["IMG_8.jpg", "IMG_4.jpg"]
        with step(page):
            page.get_by_role("link", name="Next page").click()
        assert page.locator("tbody a").all_inner_texts() == ["IMG_0.jpg"]
        assert page.get_by_label("Camera").input_value() == "apple"
        with step(page):
            page.get_by_role("link", name="IMG_0.jpg").click()
        page.get_by_text("Apple iPhone 14").wait_for()
        press(page, "c")
        page.get_by_role("heading", name="End of the list").wait_for()


def view_box(page: Any) -> list[float]:
    text: str = page.locator("#stage svg").get_attribute("viewBox")
    return [float(part) for part in text.split()]


def test_zoom_stays_from_photo_to_photo_and_outlines_can_be_hidden(
    review_site: Open, visit: Visit
) -> None:
    with review_site() as site:
        for number in (0, 2):
            site.add_photo(number)
        page = visit()
        page.goto(site.url)
        press(page, "Enter")
        for key in ("+", "+", "ArrowRight", "o"):
            page.keyboard.press(key)
        zoomed = view_box(page)
        assert zoomed[2] < WIDTH / 2
        assert not page.locator("#outline-1").is_visible()
        press(page, "c")
        page.wait_for_function("() => document.querySelector('#stage.zoomed')")
        assert view_box(page) == zoomed
        assert not page.locator("#outline-1").is_visible()
        page.keyboard.press("1")
        assert view_box(page) != zoomed
        page.keyboard.press("0")
        assert view_box(page) == zoomed
        page.keyboard.press("?")
        page.get_by_role("dialog", name="Keys").wait_for()
        page.keyboard.press("c")  # decides nothing while the dialog is open
        page.keyboard.press("Escape")
        assert len(actions(site, "task-0")) + len(actions(site, "task-2")) == 1


def test_a_phone_decides_by_touch(review_site: Open, visit: Visit) -> None:
    with review_site(**PEOPLE) as site:
        for number in (0, 2):
            site.add_photo(number)
        page = visit("ann", PHONE)
        page.goto(site.url)
        with step(page):
            page.get_by_role("link", name="Begin").tap()
        first = page.url
        widths = page.locator("html").evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert widths[0] <= widths[1]
        page.get_by_role("button", name="Missed damage").tap()
        expect(page.locator("#stage svg")).to_be_in_viewport(ratio=0.9)
        box = page.locator("#stage svg").bounding_box()
        with step(page):
            page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        id = first.rpartition("/")[2].partition("?")[0]
        ((action, payload),) = actions(site, id)
        assert action == "missed"
        assert abs(payload["point"][0] - WIDTH / 2) < 5
        assert abs(payload["point"][1] - HEIGHT / 2) < 5
        with step(page):
            page.get_by_role("button", name="Confirm").first.tap()
        assert actions(site, id)[-1] == ("confirm", {})
        assert id not in page.url


def test_two_people_get_different_photos_and_see_each_other(
    review_site: Open, visit: Visit
) -> None:
    with review_site(**PEOPLE) as site:
        for number in range(3):
            site.add_photo(number)
        ann, bob = visit("ann"), visit("bob")
        for page in (ann, bob):
            page.goto(site.url)
            press(page, "Enter")
        assert ann.url != bob.url
        bob.goto(ann.url)
        bob.get_by_text("ann is looking at this photo").wait_for()
        press(ann, "c")
        press(bob, "n")
        id = next(i for i in ("task-0", "task-1", "task-2") if len(actions(site, i)) == 2)
        decided = site.decisions(id)
        assert [(d.person, str(d.action)) for d in decided] == [
            ("ann", "confirm"), ("bob", "no_damage"),
        ]  # fmt: skip
        bob.goto(site.url)
        bob.get_by_text("bob: 1").wait_for()
        assert bob.get_by_text("ann: 1").count() == 0


def test_without_sign_in_or_role_nobody_sees_a_photo(review_site: Open, visit: Visit) -> None:
    with review_site(**PEOPLE) as site:
        id = site.add_photo(0)
        path = f"{site.url}/inspections/{id}"
        nobody = visit(expected="401")
        with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
            nobody.goto(path)
        eve = visit("eve", expected="403")
        assert eve.goto(path).status == 403
        eve.get_by_role("heading", name="No permission").wait_for()
        vic = visit("vic")
        assert vic.goto(path).status == 200
        vic.keyboard.press("c")
        vic.keyboard.press("m")
        assert vic.get_by_role("button", name="Confirm").count() == 0
        assert actions(site, id) == []


def test_the_overlay_replaces_a_photo_that_is_gone(review_site: Open, visit: Visit) -> None:
    with review_site() as site:
        id = site.add_photo(0, kept=False)
        page = visit(expected="404")
        page.goto(f"{site.url}/inspections/{id}")
        page.get_by_text("Original no longer available").wait_for()
        assert page.locator("#photo").get_attribute("href") == f"/inspections/{id}/overlay"


def test_a_photo_that_is_gone_and_has_no_overlay_says_so(review_site: Open, visit: Visit) -> None:
    with review_site() as site:
        id = site.add_photo(0, kept=False, found=finding(overlay_url=None, mask_url=None))
        page = visit(expected="404")
        page.goto(f"{site.url}/inspections/{id}")
        page.get_by_text("no overlay is stored").wait_for()
        assert page.locator("#photo").get_attribute("href") == f"/inspections/{id}/photo"


@pytest.mark.parametrize("kind", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(review_site: Open, visit: Visit, kind: dict[str, Any]) -> None:
    with review_site() as site:
        id = site.add_photo(0)
        page = visit(kind=kind)
        for path in ("/", f"/inspections/{id}", "/lists/audit/next", "/quality"):
            page.goto(site.url + path)
            assert violations(page) == []
        page.goto(f"{site.url}/inspections/{id}")
        page.keyboard.press("?")
        assert violations(page) == []


@pytest.mark.parametrize("kind", [DESK, {**PHONE, "locale": "ko-KR"}], ids=["desk", "korean-phone"])
def test_axe_finds_nothing_on_what_refuses_a_person(
    review_site: Open, visit: Visit, kind: dict[str, Any]
) -> None:
    with review_site(**PEOPLE) as site:
        path = f"{site.url}/inspections/{site.add_photo(0)}"
        eve = visit("eve", kind, expected="403")
        assert eve.goto(path).status == 403
        assert violations(eve) == []
        ann = visit("ann", kind, expected="403")
        ann.goto(path)
        # The response of a form's navigation is at times missing from `expect_navigation`.
        with ann.expect_response(lambda answer: answer.request.method == "POST") as outdated:
            ann.evaluate("""() => {
              const form = document.querySelector("#actions form");
              form.elements.csrf.value = "of an earlier session";
              form.submit();
            }""")
        assert outdated.value.status == 403
        ann.locator("h1 + p a[href='/']").wait_for()
        assert violations(ann) == []


def test_the_next_photo_is_loaded_while_the_first_is_looked_at(
    review_site: Open, visit: Visit, caplog: pytest.LogCaptureFixture
) -> None:
    with review_site() as site:
        paths = {f"/inspections/{site.add_photo(number)}/photo" for number in (0, 2)}
        page = visit()
        loaded: set[str] = set()

        def are_loaded(response: Any) -> bool:
            path = response.url.removeprefix(site.url)
            loaded.update({path} & paths if response.ok else ())
            return loaded == paths

        with page.expect_response(are_loaded):
            page.goto(f"{site.url}/lists/damaged/next")
        first = page.locator("#photo").get_attribute("href")
        press(page, "c")
        page.wait_for_function(
            "before => document.querySelector('#photo').getAttribute('href') !== before", arg=first
        )
        page.wait_for_load_state("networkidle")
        assert {first, page.locator("#photo").get_attribute("href")} == paths
    sent = [
        record.__dict__["inspection"]
        for record in caplog.records
        if record.message == "got picture" and record.__dict__["picture"] == "photo"
    ]
    assert sorted(sent) == ["task-0", "task-2"]  # once each: the second came from the cache


@pytest.mark.parametrize("was_read", [True, False], ids=["not kept", "never read"])
def test_a_next_photo_that_is_gone_causes_no_error(
    review_site: Open, visit: Visit, was_read: bool
) -> None:
    with review_site() as site:
        if was_read:
            gone = site.add_photo(0, kept=False)
        else:
            gone = site.store.save(failed_inspection("task-0")).id
        shown = site.add_photo(1, finished_at=NOW + timedelta(minutes=1))
        page = visit()  # an error on the console fails the test
        with page.expect_response(lambda sent: f"/{gone}/photo" in sent.url) as asked:
            page.goto(f"{site.url}/inspections/{shown}?list=all")
        assert asked.value.status == 204
        page.wait_for_load_state("networkidle")


def drawn_photo() -> tuple[bytes, Finding]:
    """A drawn car with a dent and a scratch, and the finding that would be right."""
    sample = draw_sample(803, size=(1280, 960), damages=("dent", "scratch"), view="rear-door")
    areas = []
    for kind in sample.types:
        shown = (sample.mask == TYPES.index(kind) + 1).astype(np.uint8)
        outlines, _ = cv2.findContours(shown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_L1)
        outline = cv2.convexHull(np.concatenate(outlines))
        polygon = tuple((int(x), int(y)) for x, y in outline[:, 0])
        x, y, width, height = (int(value) for value in cv2.boundingRect(outline))
        area = damage(kind, int(shown.sum()))
        areas.append(replace(area, bbox=(x, y, width, height), polygon=polygon))
    found = finding(*areas, photo_size=(1280, 960), damage_score=0.62)
    return cv2.imencode(".jpg", sample.photo)[1].tobytes(), found


@pytest.mark.slow
def test_the_pages_look_as_in_the_documentation(
    review_site: Open, visit: Visit, tmp_path: Path
) -> None:
    with review_site() as site:
        for number in range(1, 7):
            site.add_photo(number)
        data, found = drawn_photo()
        digest = hashlib.sha256(data).hexdigest()
        facts = PhotoFacts(digest, len(data), 1280, 960)
        shown = {"found": found, "sha256": digest, "photo": facts, "verdict": found.verdict}
        id = site.add_photo(7, data, **shown)
        for kind, name in ((DESK, "review-inspection.jpg"), (PHONE, "review-phone.jpg")):
            page = visit(kind=kind)
            page.goto(f"{site.url}/inspections/{id}?list=damaged")
            page.wait_for_load_state("networkidle")
            keep_screenshot(page, name, tmp_path)
        page = visit()
        page.goto(f"{site.url}/inspections/{id}")
        page.wait_for_load_state("networkidle")
        page.keyboard.press("1")
        page.keyboard.press("e")
        keep_screenshot(page, "review-outline.jpg", tmp_path)
        page.goto(site.url)
        keep_screenshot(page, "review-list.jpg", tmp_path)
