"""Numbers of things in English texts."""

from __future__ import annotations

import re


def counted(number: int, noun: str) -> str:
    """``number`` with ``noun``: "1 photo", "2 photos"."""
    return f"{number} {plural(noun, number)}"


def plural(noun: str, number: int) -> str:
    """``noun`` as it follows ``number``; of several words, the last one gets the ending."""
    if number == 1:
        return noun
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    return re.sub("(?<![aeiou])y$", "ie", noun) + "s"
