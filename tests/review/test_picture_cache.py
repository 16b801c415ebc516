"""Pictures stay in memory for a short time, and only some of them."""

from __future__ import annotations

import pytest

from damage_tasks.review import picture_cache
from damage_tasks.review.picture_cache import MAX_AGE_SECONDS, PictureCache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_picture_is_made_once_until_it_is_too_old() -> None:
    clock, made = Clock(), []

    def make() -> bytes:
        made.append(1)
        return b"picture"

    cache = PictureCache(clock)
    for _ in range(2):
        assert cache.get(("photo", "a", False), make) == b"picture"
    assert len(made) == 1
    cache.get(("photo", "a", True), make)
    assert len(made) == 2, "a redacted picture is another one"
    clock.now = MAX_AGE_SECONDS
    cache.get(("photo", "a", False), make)
    assert len(made) == 3


def test_the_pictures_used_longest_ago_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_cache, "MAX_BYTES", 25)
    cache = PictureCache(Clock())
    for name in "abac":
        cache.get(("photo", name, False), lambda: b"0123456789")
    assert cache.get(("photo", "a", False), lambda: b"new") == b"0123456789"
    assert cache.get(("photo", "b", False), lambda: b"new") == b"new"
