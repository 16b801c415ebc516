"""The benchmark of erasure erases what it measures, and nothing else."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from benchmarks.erasure_speed import measure
from benchmarks.review_page_speed import fill

pytestmark = [pytest.mark.server, pytest.mark.slow]

ROWS, EXPIRED = 10_000, 4_400
LEFT = """
SELECT (SELECT count(*) FROM inspections WHERE id LIKE 'task-%'),
    (SELECT count(*) FROM findings WHERE overlay_url LIKE 's3://none/%'),
    (SELECT count(*) FROM decisions)
"""


def test_each_erasure_is_measured_and_counts_its_rows(migrated_postgres_url: str) -> None:
    fill(migrated_postgres_url, ROWS)
    erasures = list(measure(migrated_postgres_url, ROWS, EXPIRED))
    rows = {each.what: each.rows for each in erasures}
    expired = rows["expired inspections"]
    assert (rows["one car"], rows["one photo"]) == (20, 1)
    # Some more become too old while the database is filled and measured.
    assert expired >= EXPIRED // 2
    assert rows["expired pictures"] >= EXPIRED - expired
    assert rows["expired decisions"] > 0
    assert all(each.seconds >= each.lock > 0 for each in erasures)
    engine = sa.create_engine(migrated_postgres_url)
    with engine.connect() as connection:
        inspections, pictures, decisions = connection.execute(sa.text(LEFT)).one()
    engine.dispose()
    assert inspections == ROWS - expired - 20 - 1
    assert pictures == 0
    # People decided about one photo in ten, but not about the last 1800.
    with_decision = (ROWS - 1800) // 10 - (expired + 7) // 10 - 2
    assert decisions == with_decision - rows["expired decisions"]
