"""The SQL of the callers' page gives the same rows on PostgreSQL and SQLite."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa

from damage_tasks.results.store import Inspections
from tools.pictures import damage, finding, inspection

PAGE = (Path(__file__).parents[2] / "docs/callers.md").read_text()
QUERIES = re.findall(r"^```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_every_query_finds_the_photo_of_the_car(database_url: str) -> None:
    store = Inspections(database_url)
    store.save(inspection("task-1", finding(damage("dent")), metadata={"car_id": 7}))
    store.save(inspection("task-2", metadata={"car_id": "8"}, sha256="2" * 64))
    assert QUERIES
    for query in QUERIES:
        with store.engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(sa.text(query))]
        assert [row[0] for row in rows] == ["task-1"], query
    store.close()
