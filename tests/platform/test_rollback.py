"""An older version leaves a newer version's database unchanged."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from damage_tasks.results.database import create_engine
from damage_tasks.results.schema_upgrade import migrate, revisions


def test_a_rolled_back_version_passes_its_migration(sqlite_url: str) -> None:
    newest = migrate(sqlite_url)
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert migrate(sqlite_url) == "9999"
    assert revisions(sqlite_url) == ("9999", newest)


@pytest.mark.parametrize("times", [1, 2])
def test_a_migration_may_run_again(sqlite_url: str, times: int) -> None:
    assert {migrate(sqlite_url) for _ in range(times)} == {revisions(sqlite_url)[1]}
