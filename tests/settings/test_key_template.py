"""A template reads metadata out of keys, in time that grows with the key only."""

from __future__ import annotations

import time

import pytest

from damage_tasks.settings.key_template import KeyTemplate

RENTALS = "rentals/{rental_id}/{car_id}/*"
RENTAL = {"rental_id": "r-1", "car_id": "7"}


@pytest.mark.parametrize(
    ("template", "key", "metadata"),
    [
        (RENTALS, "rentals/r-1/7/a.jpg", RENTAL),
        (RENTALS, "rentals/r-1/7/b/c.jpg", RENTAL),
        (RENTALS, "rentals/r-1/7", {}),
        (RENTALS, "rentals//7/a.jpg", {}),
        (RENTALS, "returns/r-1/7/a.jpg", {}),
        ("{plate}.jpg", "B-MW 1 ü.jpg", {"plate": "B-MW 1 ü"}),
        ("{plate}.jpg", "a/b.jpg", {}),
        ("{plate}.jpg", ".jpg", {}),
        ("car-{car_id}/side-{side}.jpg", "car-7/side-left.jpg", {"car_id": "7", "side": "left"}),
        ("a{x}a", "a", {}),
        ("a{x}a", "aa", {}),
        ("a{x}a", "aaa", {"x": "a"}),
    ],
)  # fmt: skip
def test_the_names_have_the_values_of_the_key(
    template: str, key: str, metadata: dict[str, str]
) -> None:
    assert KeyTemplate(template).metadata(key) == metadata


@pytest.mark.parametrize(
    "text",
    ["", "rentals/*", "{a}-{b}", "{a}/{a}", "{A}", "{}", "{a", "a}", "*/{a}", "{a}*", "{a}/*/*",
     "{a}/b*"],
)  # fmt: skip
def test_a_wrong_template_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most one name in braces"):
        KeyTemplate(text)


def test_no_key_takes_long() -> None:
    template = KeyTemplate("/".join(f"-{{n{number}}}-" for number in range(50)) + "/*")
    began = time.perf_counter()
    for key in ("-" * 1024, "/" * 1024, "-/" * 512):
        template.metadata(key)
    assert time.perf_counter() - began < 0.05
