"""A database user who may only read compares photos, and stores no comparison."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.car_history.history import CarHistory
from damage_tasks.damage_history import Novelty
from damage_tasks.errors import DatabaseError
from damage_tasks.results.store import Inspections
from damage_tasks.settings import get_settings
from tests.car_history.conftest import BEFORE, NEW, NOW, OLD, Car, mapped
from tests.labelling.conftest import Archive

PLATFORM = Path(__file__).parents[2] / "docs/platform.md"


@pytest.fixture
def car(
    aws: Any, bucket: str, migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Car]:
    """The car of the other tests, in PostgreSQL."""
    monkeypatch.setenv("DAMAGE_DATABASE_URL", migrated_postgres_url)
    monkeypatch.setenv("DAMAGE_BUCKET", bucket)
    store = Inspections(migrated_postgres_url)
    car = Car(Archive(store, aws.client("s3"), bucket))
    car.photograph("yesterday", BEFORE, mapped(OLD), days=1)
    car.photograph("now", NOW, NEW, OLD)
    yield car
    store.close()


@pytest.fixture
def reader(migrated_postgres_url: str) -> Iterator[Inspections]:
    """The database as the user whom the platform page creates."""
    name = f"reader_{migrated_postgres_url.rpartition('test_')[2][:8]}"
    page = re.findall(r"^```sql\n(.*?)^```", PLATFORM.read_text(), re.DOTALL | re.MULTILINE)
    url = sa.make_url(migrated_postgres_url)
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for statements in page:
            connection.execute(sa.text(statements.replace("damage_reader", name)))
        store = Inspections(url.set(username=name).render_as_string(hide_password=False))
        yield store
        store.close()
        connection.execute(sa.text(f"DROP OWNED BY {name}"))
        connection.execute(sa.text(f"DROP ROLE {name}"))
    admin.dispose()


@pytest.mark.server
def test_a_reader_gets_the_comparison_and_stores_nothing(
    car: Car, reader: Inspections, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "damage_tasks.car_history")
    found = CarHistory(reader, get_settings()).compare(car.inspection("now"))
    assert [each.novelty for each in found.damages] == [Novelty.NEW, Novelty.SEEN_BEFORE]
    assert car.comparisons() == 0
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert "now with yesterday is not stored: permission denied" in record.getMessage()


@pytest.mark.server
def test_other_errors_of_the_database_are_not_hidden(
    car: Car, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr("damage_tasks.car_history.history.save_comparison", fail)
    with pytest.raises(DatabaseError, match="disk full"):
        CarHistory(car.store, get_settings()).compare(car.inspection("now"))
