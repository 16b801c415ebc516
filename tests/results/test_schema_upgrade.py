"""The migrations create the tables that the code expects."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from damage_tasks.results.database import create_engine
from damage_tasks.results.schema_upgrade import migrate, revisions
from damage_tasks.results.search_indices import (
    CASE_EVENTS,
    CASES,
    FILTERS,
    PICTURES,
    PREFIX,
    WORK_LISTS,
)
from damage_tasks.results.tables import metadata


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_migrations_and_tables_agree(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        # No migration creates the indices for searches, filters, work lists and erasure.
        prefixes = (PREFIX, CASES, WORK_LISTS, FILTERS, PICTURES, CASE_EVENTS)
        options = {"include_name": lambda name, *_: not str(name).startswith(prefixes)}
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert not differences


def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert migrate(database_url) == migrate(database_url)
    current, newest = revisions(database_url)
    assert current == newest


def test_two_migrations_at_once_take_turns(postgres_url: str) -> None:
    command = [sys.executable, "-m", "damage_tasks", "migrate"]
    environment = {**os.environ, "DAMAGE_DATABASE_URL": postgres_url}
    runs = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [run.wait() for run in runs] == [0, 0]


def test_queries_that_users_make_have_an_index(postgres_url: str) -> None:
    migrate(postgres_url)
    engine = create_engine(postgres_url)
    found = {
        tuple(index["column_names"]) for index in sa.inspect(engine).get_indexes("inspections")
    }
    engine.dispose()
    expected = {("photo_sha256",), ("photo_url",), ("finished_at",), ("verdict", "finished_at")}
    assert expected <= found
