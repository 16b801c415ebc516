"""The page draws onto the photo what counts of people's corrections."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from damage_tasks.review.recording import record
from tests.review.conftest import Open

pytestmark = pytest.mark.server
POINT = ("missed", {"point": [5, 6]})
BOX = ("missed", {"box": [1, 2, 30, 40]})
OUTLINE = ("missed", {"polygon": [[1, 1], [90, 1], [90, 30]]})
FIRST = ("reshape", {"damage": 1, "polygon": [[10, 10], [80, 10], [80, 60]]})
SECOND = ("reshape", {"damage": 1, "polygon": [[20, 20], [80, 10], [80, 60]]})
NONE: tuple[str, dict[str, Any]] = ("no_damage", {})


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.mark.parametrize(
    ("made", "drawn"),
    [
        ([POINT, BOX, OUTLINE], ["circle", "rect", "polygon"]),
        ([POINT, BOX, OUTLINE, NONE], []),
        ([POINT, NONE, BOX], ["rect"]),
        ([FIRST], ["polygon"]),
        ([FIRST, NONE], []),
        ([FIRST, ("no_damage", {"damage": 1})], []),
        ([FIRST, SECOND], ["polygon"]),
        ([("wrong_type", {"damage": 1, "type": "scratch"})], []),
    ],
)
def test_only_corrections_that_count_are_drawn(
    review_site: Open, made: list[tuple[str, dict[str, Any]]], drawn: list[str]
) -> None:
    with review_site() as site:
        id = site.add_photo(0)
        for action, payload in made:
            record(site.store, id, "ann", action, payload)
        page = httpx2.get(f"{site.url}/inspections/{id}", timeout=60).text
    assert re.findall(r'<(\w+) class="outline corrected"', page) == drawn


def test_the_last_outline_of_an_area_is_the_one_that_is_drawn(review_site: Open) -> None:
    with review_site() as site:
        id = site.add_photo(0)
        for action, payload in (FIRST, SECOND):
            record(site.store, id, "ann", action, payload)
        page = httpx2.get(f"{site.url}/inspections/{id}", timeout=60).text
    assert re.findall(r'corrected" points="([^"]+)"', page) == ["20,20 80,10 80,60"]
