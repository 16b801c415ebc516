"""The same photo and bundle always have the same keys."""

from __future__ import annotations

from damage_tasks.storage.object_keys import picture_key


def test_keys_are_made_of_digests_only() -> None:
    assert picture_key("ab" * 32, "cd" * 32) == f"ab/{'ab' * 32}/{'cd' * 8}"
