"""Numbers of things in English texts."""

from __future__ import annotations

import pytest

from damage_tasks.languages.english_plurals import counted


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "photo", "1 photo"),
        (0, "photo", "0 photos"),
        (2, "dead letter", "2 dead letters"),
        (2, "scratch", "2 scratches"),
        (3, "process", "3 processes"),
        (2, "delivery", "2 deliveries"),
        (2, "day", "2 days"),
    ],
)
def test_the_noun_has_its_plural(number: int, noun: str, text: str) -> None:
    assert counted(number, noun) == text
