"""The contact sheet in a real browser: filter, sort, look closely."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.cli.contact_sheet import Card, write_contact_sheet
from damage_tasks.inspection import REVIEW_BAND
from tools.sample_pictures_and_results import jpeg

BUNDLE = {"name": "default", "version": "1.2.0", "digest": "087bb7a3c45d" + "0" * 52}


def result(verdict: str, score: float | None, *types: str) -> dict[str, Any]:
    """What the sheet needs of an inspection."""
    return {
        "verdict": verdict,
        "reason": None if score is not None else {"code": "not_a_photo", "text": "<b>no</b>"},
        "overlay_url": "s3://pictures/overlays/x.jpg" if verdict == "damaged" else None,
        "damage_score": score,
        "damages": [{"type": type} for type in types],
        "quality": None,
        "bundle": BUNDLE if score is not None else None,
    }


RESULTS = {
    "a door": result("damaged", 0.97, "dent", "dent", "scratch"),
    "b roof": result("clean", 0.004),
    "c <i>": result("rejected", None),
    "d hood": result("damaged", 0.62, "scratch", "scratch"),
    "e boot": result("clean", 0.31),
}


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """The page of RESULTS."""
    (tmp_path / "overlays").mkdir()
    triples = []
    for seed, (name, found) in enumerate(RESULTS.items()):
        photo = tmp_path / f"{seed}.jpg"
        photo.write_bytes(jpeg(640, 480, seed) if found["bundle"] else b"text")
        if found["overlay_url"]:
            (tmp_path / f"overlays/{name}.jpg").write_bytes(jpeg(640, 520, seed + 50))
        triples.append((name, photo, found))
    return write_contact_sheet(tmp_path, triples)


@pytest.fixture
def page(chromium: Any, sheet: Path) -> Iterator[Any]:
    """The sheet in Debian's Chromium."""
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(10_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(sheet.as_uri())
    yield page
    assert errors == []


def names(page: Any) -> str:
    """The first letters of the photos that are shown, in their order."""
    return "".join(text[0] for text in page.locator("article:not([hidden]) h2").all_inner_texts())


def test_photos_are_filtered_by_verdict_doubt_and_type(page: Any) -> None:
    assert page.locator("h1").inner_text() == "5 photos: 2 damaged, 2 clean, 1 rejected"
    assert page.locator("option[value=unsure]").inner_text() == "unsure, look yourself (2)"
    for verdict, shown in (("damaged", "ad"), ("clean", "be"), ("unsure", "de"), ("", "abcde")):
        page.select_option("[name=verdict]", verdict)
        assert names(page) == shown
    page.select_option("[name=type]", "dent")
    assert names(page) == "a"
    page.select_option("[name=type]", "scratch")
    assert names(page) == "ad"
    assert page.locator("output").inner_text() == "2 shown"


def test_photos_are_sorted(page: Any) -> None:
    orders = {
        "score": "adebc", "doubt": "deabc", "verdict": "beadc", "type": "adbce",
        "name": "abcde", "place": "abcde",
    }  # fmt: skip
    for order, shown in orders.items():
        page.select_option("[name=sort]", order)
        assert names(page) == shown, order


def test_a_card_shows_one_score_plural_words_and_doubt(page: Any) -> None:
    door, roof, broken, hood, boot = page.locator("article p").all_inner_texts()
    assert door == "damaged score 97 %, 2 dents, 1 scratch"
    assert roof == "clean score 1 %, no damage found"  # as the overlay says, not 0.00
    assert broken == "rejected not_a_photo: <b>no</b>"
    assert hood == "damaged unsure, look yourself score 62 %, 2 scratches"
    assert boot == "clean unsure, look yourself score 31 %, no damage found"
    about = page.locator(".about").inner_text()
    assert about.startswith("Bundle default 1.2.0 (087bb7a3c45d), 20")
    assert about.endswith(" UTC")


def test_pictures_load_lazily_and_overlays_can_be_hidden(page: Any) -> None:
    assert page.locator("article img").count() == 6
    assert page.locator("article img:not([loading=lazy])").count() == 0
    assert page.locator("article a.overlay:visible").count() == 2
    page.uncheck("[name=overlays]")
    assert page.locator("article a.overlay:visible").count() == 0


def test_the_viewer_zooms_and_turns_the_overlay_on_and_off(page: Any) -> None:
    page.locator("article a.photo").first.click()
    page.locator("dialog[open]").wait_for()
    photo, overlay = page.locator("#stage .photo"), page.locator("#stage .overlay")
    assert "thumbnails/a%20door" in photo.get_attribute("src")
    assert photo.is_visible()
    page.keyboard.press("o")
    assert overlay.is_visible()
    assert not photo.is_visible()
    assert overlay.evaluate("e => e.complete && e.naturalWidth") == 640
    before = overlay.bounding_box()["width"]
    page.keyboard.press("+")
    assert overlay.bounding_box()["width"] == pytest.approx(1.5 * before, rel=0.02)
    page.mouse.move(300, 300)
    page.mouse.wheel(0, 100)
    assert overlay.bounding_box()["width"] < 1.5 * before
    page.keyboard.press("ArrowRight")
    assert "b roof" in page.locator("dialog strong").inner_text()
    assert photo.is_visible()  # it has no overlay
    page.get_by_role("button", name="close").click()
    assert page.locator("dialog[open]").count() == 0


@pytest.mark.parametrize(
    ("score", "unsure"),
    [(None, False), (0.19, False), (0.2, True), (0.8, True), (0.81, False)],
)
def test_unsure_is_what_the_inspectors_page_says(score: float | None, unsure: bool) -> None:
    card = Card("x", "clean", (), score, "", None, None)
    assert card.unsure is unsure
    text = (Path(__file__).parent.parent.parent / "docs/inspectors.md").read_text()
    low, high = (f"{100 * limit:.0f}" for limit in REVIEW_BAND)
    assert f"Between about {low} % and\n  {high} % the network is unsure" in text
