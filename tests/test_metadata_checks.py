"""Metadata is checked at the sender and in the worker."""

from __future__ import annotations

import pytest

from damage_tasks.errors import MetadataInvalid
from damage_tasks.metadata_checks import check_received_metadata, check_sent_metadata


def test_metadata_up_to_its_limit_passes() -> None:
    assert check_received_metadata({"x": "y" * (8192 - 9)}, 8192)
    with pytest.raises(MetadataInvalid, match="8193 bytes; 8192 are allowed"):
        check_received_metadata({"x": "y" * (8192 - 8)}, 8192)


def test_metadata_of_json_types_is_accepted_as_it_is() -> None:
    check_sent_metadata(
        {"a": [1, 2.5, None, True, {"__type__": "uuid", "__value__": "x"}], "ü": "🚗"}, 8192
    )
    check_sent_metadata(None, 8192)
