"""The database of inspections, in PostgreSQL and in SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from damage_tasks.results.store import Inspections


@pytest.fixture
def store(database_url: str) -> Iterator[Inspections]:
    """The inspections in a new database."""
    store = Inspections(database_url)
    yield store
    store.close()
