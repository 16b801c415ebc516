"""Examined photos in a database and a bucket, and another bundle for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from damage_tasks.results.rerun_selection import Selection
from damage_tasks.settings import get_settings
from damage_tasks.shadow_worker import ShadowExaminer
from damage_tasks.vision.segmenter import Segmenter
from model_store.bundle import open_bundle
from tests.labelling.conftest import Archive
from tests.labelling.conftest import archive_in_each_database as archive
from tools.small_bundles import write_bundle

__all__ = ["archive"]  # a fixture


@pytest.fixture(scope="package")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("other"), version="2.1.0")


@pytest.fixture(scope="package")
def networks(bundle: Path) -> Segmenter:
    return Segmenter(open_bundle(bundle), 1, "torch")


@pytest.fixture
def examiner(archive: Archive, networks: Segmenter) -> ShadowExaminer:
    return ShadowExaminer(get_settings(), networks, archive.store)


@pytest.fixture
def selection(networks: Segmenter) -> Selection:
    """All photos of the archive's day."""
    day = datetime(2026, 11, 22, tzinfo=UTC)
    return Selection(networks.identity.digest, day, day + timedelta(days=1))
