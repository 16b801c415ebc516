"""Workers of every earlier version can use the newest schema."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.results.database import create_engine
from damage_tasks.results.schema_upgrade import migrate
from tools.old_schemas import all_revisions, create_schema

EARLIER = all_revisions()[:-1]
OURS = ("alembic_version",)


@pytest.fixture(params=[pytest.param("postgres_url", marks=pytest.mark.server), "sqlite_url"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    return str(request.getfixturevalue(request.param))


def longest(column: sa.Column[Any]) -> Any:
    """A value that this column accepts, of the greatest length."""
    if column.name == "verdict":
        return "clean"
    if isinstance(column.type, sa.DateTime):
        return datetime(2026, 11, 29, tzinfo=UTC)
    if isinstance(column.type, sa.JSON):
        return {"key": "value"}
    if isinstance(column.type, sa.Boolean):
        return True
    if isinstance(column.type, sa.Numeric | sa.Float):
        return 0.5
    if isinstance(column.type, sa.Integer):
        return 7
    return "x" * (getattr(column.type, "length", None) or 5000)


def inserted(connection: sa.Connection, table: sa.Table, finding: int | None) -> Any:
    """Insert a row with a value in each of the columns that ``table`` knows; returns its key."""
    numbers_itself = isinstance(table.c.get("id", table.columns.values()[0]).type, sa.Integer)
    values = {
        column.name: finding if column.name == "finding_id" else longest(column)
        for column in table.columns
        if not (column.name == "id" and numbers_itself)
    }
    return connection.execute(table.insert().values(values)).inserted_primary_key


@pytest.mark.parametrize("revision", EARLIER)
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_old_code_reads_and_writes_every_column_that_it_knows(
    empty_url: str, revision: str
) -> None:
    create_schema(empty_url, revision)
    engine = create_engine(empty_url)
    old = sa.MetaData()
    old.reflect(engine, views=True)
    tables = [table for table in old.sorted_tables if table.name not in OURS]
    migrate(empty_url)
    with engine.begin() as connection:
        finding = None
        for table in tables:
            if table.name == "verdicts":
                continue
            key = inserted(connection, table, finding)
            finding = key[0] if table.name == "findings" else finding
        for table in tables:
            (row,) = connection.execute(sa.select(*table.columns)).mappings()
            assert set(row) == set(table.columns.keys())
    engine.dispose()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_a_column_that_old_code_does_not_fill_would_be_noticed(sqlite_url: str) -> None:
    create_schema(sqlite_url, "0008")
    engine = create_engine(sqlite_url)
    old = sa.MetaData()
    old.reflect(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE assignments")
        connection.exec_driver_sql(
            "CREATE TABLE assignments (inspection_id, person, until, new NOT NULL)"
        )
        with pytest.raises(sa.exc.IntegrityError, match="new"):
            inserted(connection, old.tables["assignments"], None)
    engine.dispose()
