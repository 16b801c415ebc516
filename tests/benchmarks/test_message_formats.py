"""The formats that are compared are messages for the same photo."""

from __future__ import annotations

from typing import Any

from benchmarks.message_formats import METADATA, OPTIONS, URL, formats
from tests.sqs.test_compact_message import call


def test_every_format_carries_the_same_request() -> None:
    with formats() as compared:
        sizes = {}
        for each in compared:
            body = each.write()
            message: Any = each.read(body)
            assert call(message) == [URL, METADATA]
            headers = message["headers"]
            assert {name: headers[name] for name in OPTIONS} == OPTIONS
            sizes[each.name] = len(body)
    assert sizes["JSON"] < sizes["compact"] < sizes["detect_damage.delay"] / 4
