"""The case and the car's history, in a real browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from damage_tasks.car_history.view_matching import transform
from tests.car_history.panels import photographed, scratched, view
from tests.review.conftest import Open
from tests.review.test_car_pages import add, add_car
from tests.review.test_review_browser import (
    DESK,
    PHONE,
    Visit,
    database_url,
    drawn_photo,
    violations,
    visit,
)
from tests.screenshots import keep_screenshot

__all__ = ["database_url", "visit"]

pytestmark = pytest.mark.server


@pytest.mark.parametrize("kind", [DESK, PHONE], ids=["desk", "phone"])
def test_new_damage_appears_without_a_reload_and_interrupts_nothing(
    review_site: Open, visit: Visit, kind: dict[str, Any]
) -> None:
    with review_site() as site:
        id = add_car(site)
        page = visit(kind=kind)
        page.goto(f"{site.url}/inspections/{id}")
        page.wait_for_selector("#stage")
        page.keyboard.press("2")
        page.get_by_text("shows this place without damage").wait_for()
        assert page.locator("#damage-2.chosen").count() == 1
        page.get_by_role("status").get_by_text("Comparing").wait_for(state="detached")
        assert violations(page) == []
        page.locator("#car-history").get_by_role("link", name="Photo of").first.click()
        page.wait_for_url("**/inspections/task-1")


def test_a_thumbnail_leads_to_another_photo_of_the_case(review_site: Open, visit: Visit) -> None:
    with review_site() as site:
        site.add_photo(0, case_id="return-1")
        site.add_photo(1, case_id="return-1", kept=False)
        page = visit(expected="404")
        page.goto(f"{site.url}/inspections/task-0")
        link = page.locator("#case-photos").get_by_role("link")
        link.wait_for()
        page.wait_for_function("() => document.querySelector('#case-photos img').naturalWidth > 0")
        assert violations(page) == []
        link.click()
        page.wait_for_url("**/inspections/task-1")


@pytest.mark.slow
def test_the_history_looks_as_in_the_documentation(
    review_site: Open, visit: Visit, tmp_path: Path
) -> None:
    data, found = drawn_photo()
    before = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    new = tuple((x + 180, y + 560) for x, y in ((0, 0), (150, 0), (150, 60), (0, 60)))
    scratch = replace(found.damages[-1], type="scratch", polygon=new, bbox=(180, 560, 150, 60))
    now = replace(found, damages=(*found.damages, scratch))
    matrix = view(turn=2, zoom=0.97)
    seen = [
        replace(
            each,
            polygon=tuple(
                (round(x), round(y))
                for x, y in transform(matrix, np.array(each.polygon, float)).tolist()
            ),
        )
        for each in found.damages
    ]
    with review_site() as site:
        add(site, 1, photographed(before, matrix), found=replace(found, damages=tuple(seen)))
        id = add(site, 0, scratched(before, new), found=now)
        page = visit()
        page.goto(f"{site.url}/inspections/{id}")
        page.get_by_role("status").get_by_text("Comparing").wait_for(state="detached")
        page.get_by_text("shows this place without damage").wait_for()
        keep_screenshot(page.locator("#car-history"), "review-history.png", tmp_path)
