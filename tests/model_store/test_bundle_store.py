"""Folders and buckets keep bundles in the same way."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_store.bundle_store import store_at
from model_store.errors import BundleError


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store of either kind."""
    if request.param == "folder":
        return str(tmp_path / "store")
    return f"s3://{request.getfixturevalue('bucket')}"


def test_a_file_that_must_be_new_overwrites_none(uri: str) -> None:
    store = store_at(uri)
    store.put_new("damage/1.0.0/manifest.json", b"first", "ann")
    with pytest.raises(BundleError, match="already exists"):
        store.put_new("damage/1.0.0/manifest.json", b"second", "bob")
    assert store.read("damage/1.0.0/manifest.json").data == b"first"
