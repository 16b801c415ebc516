"""The indices of metadata follow the settings, and creating them does not stop the workers."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.results import search_indices
from damage_tasks.results.search_indices import ADVISORY_LOCK_KEY, PREFIX, fit_search_indices
from damage_tasks.results.store import Inspections
from tools.sample_pictures_and_results import inspection


def indices(url: str) -> set[str]:
    engine = sa.create_engine(url)
    query = (
        "SELECT indexname FROM pg_indexes"
        if url.startswith("postgresql")
        else "SELECT name FROM sqlite_master WHERE type = 'index'"
    )
    with engine.connect() as connection:
        names = {str(name) for name in connection.execute(sa.text(query)).scalars()}
    engine.dispose()
    return {name for name in names if name.startswith(PREFIX)}


def test_the_default_keys_have_an_index(database_url: str) -> None:
    assert indices(database_url) == {f"{PREFIX}_car_id", f"{PREFIX}_rental_id"}


def test_indices_follow_the_keys(database_url: str) -> None:
    fit_search_indices(database_url, ("plate", "car_id"), all_metadata=True)
    # SQLite, which is for development, has no index of all keys.
    of_all = {PREFIX} if database_url.startswith("postgresql") else set()
    assert indices(database_url) == {f"{PREFIX}_plate", f"{PREFIX}_car_id"} | of_all
    fit_search_indices(database_url, (), all_metadata=False)
    assert indices(database_url) == set()


@pytest.fixture
def as_if_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table with a row counts as large."""
    monkeypatch.setattr(search_indices, "SMALL_TABLE_ROWS", 0)


@pytest.mark.server
@pytest.mark.usefixtures("as_if_large")
def test_inspections_are_stored_while_an_index_of_a_large_table_is_created(
    migrated_postgres_url: str,
) -> None:
    store = Inspections(migrated_postgres_url)
    store.save(inspection("task-1"))
    with store.engine.connect() as other:
        # The creation waits for this transaction, as for a long query of somebody else.
        other.execute(sa.text("SELECT id FROM inspections FOR UPDATE"))
        creation = threading.Thread(
            target=fit_search_indices, args=(migrated_postgres_url, ("plate",), True)
        )
        creation.start()
        creation.join(1)
        assert creation.is_alive()
        store.save(inspection("task-2"))
    creation.join(30)
    assert not creation.is_alive()
    store.close()
    assert indices(migrated_postgres_url) == {f"{PREFIX}_plate", PREFIX}


@pytest.mark.server
@pytest.mark.usefixtures("as_if_large")
def test_an_index_whose_creation_was_interrupted_is_created_again(
    migrated_postgres_url: str,
) -> None:
    store = Inspections(migrated_postgres_url)
    store.save(inspection("task-1", metadata={"plate": "B 7"}))
    admin = sa.create_engine(migrated_postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        with pytest.raises(sa.exc.DataError):
            connection.execute(
                sa.text(
                    f"CREATE INDEX CONCURRENTLY {PREFIX}_plate "
                    "ON inspections (((metadata ->> 'plate')::int))"
                )
            )
        assert f"{PREFIX}_plate" in indices(migrated_postgres_url)
        fit_search_indices(migrated_postgres_url, ("plate",), all_metadata=False)
        valid = sa.text(
            f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{PREFIX}_plate'::regclass"
        )
        assert connection.execute(valid).scalar() is True
    admin.dispose()
    store.close()


@pytest.mark.server
def test_a_second_process_leaves_the_indices_to_the_first(migrated_postgres_url: str) -> None:
    before = indices(migrated_postgres_url)
    engine = sa.create_engine(migrated_postgres_url)
    with engine.begin() as first:
        first.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK_KEY)))
        fit_search_indices(migrated_postgres_url, ("plate",), all_metadata=False)
        assert indices(migrated_postgres_url) == before
    fit_search_indices(migrated_postgres_url, ("plate",), all_metadata=False)
    assert indices(migrated_postgres_url) == {f"{PREFIX}_plate"}
    engine.dispose()


@pytest.mark.parametrize("text", ["x" * 8000, "ü" * 8000])
def test_a_long_value_is_stored_although_it_has_an_index(database_url: str, text: str) -> None:
    metadata: dict[str, Any] = {"car_id": text, "rental_id": {"text": text}}
    store = Inspections(database_url)
    saved = store.save(inspection("task-1", metadata=metadata))
    assert store.search({"car_id": text}, 1)[0] == [saved]
    store.close()
