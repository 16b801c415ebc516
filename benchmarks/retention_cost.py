"""``python -m benchmarks.retention_cost``: what erasing a day's rows costs, in two designs.

*Batches* is what `damage-tasks forget --expired` does. *Partitions* are the same tables by day,
with tables of keys that are not partitioned, because an id, and a photo with a bundle, are unique
over all days.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.database_history import fill, insert_rows
from benchmarks.erasure_speed import without_bucket
from damage_tasks.erasure.photo_erasure import ErasureReport, PhotoEraser
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.results.store import Inspections
from damage_tasks.settings import Settings
from tools.postgres import Postgres

KEYS_AT_ONCE = 1000  # as many as `row_erasure.BATCH`

_PARTITIONS = """
CREATE TABLE {table}_by_day (LIKE {table}) PARTITION BY RANGE ({time});
CREATE TABLE {table}_old PARTITION OF {table}_by_day FOR VALUES FROM (MINVALUE) TO ('{limit}');
CREATE TABLE {table}_new PARTITION OF {table}_by_day FOR VALUES FROM ('{limit}') TO (MAXVALUE);
CREATE INDEX ON {table}_by_day ({time});
"""
_KEYS = """
CREATE TABLE inspection_keys (id varchar PRIMARY KEY, at timestamptz NOT NULL);
CREATE TABLE finding_keys (photo_sha256 varchar, bundle_digest varchar, finding_id bigint NOT NULL,
    at timestamptz NOT NULL, PRIMARY KEY (photo_sha256, bundle_digest));
CREATE INDEX ON inspection_keys (at);
CREATE INDEX ON finding_keys (at);
CREATE UNIQUE INDEX ON inspections_by_day (id, finished_at);
"""
_ONE_TABLE = """
CREATE TABLE {table}_in_one (LIKE {table});
CREATE INDEX ON {table}_in_one ({time});
CREATE UNIQUE INDEX ON {table}_in_one ({key});
"""
# The indices of both designs, without those of searches and work lists.
_INDICES = """
CREATE INDEX ON inspections_{design} (photo_sha256);
CREATE INDEX ON inspections_{design} USING hash (photo_url);
CREATE INDEX ON inspections_{design} (verdict, finished_at);
CREATE INDEX ON inspections_{design} (finding_id);
CREATE INDEX ON findings_{design} (id);
"""
_TABLES = (
    ("inspections", "finished_at", "id"),
    ("findings", "created_at", "photo_sha256, bundle_digest"),
)
_COPY = (
    "INSERT INTO findings_{design} SELECT * FROM findings WHERE id BETWEEN :first AND :last",
    "INSERT INTO inspections_{design} SELECT * FROM inspections "
    "WHERE finding_id BETWEEN :first AND :last",
)
_COPY_KEYS = (
    """INSERT INTO finding_keys SELECT photo_sha256, bundle_digest, id, created_at
    FROM findings WHERE id BETWEEN :first AND :last ON CONFLICT DO NOTHING""",
    """INSERT INTO inspection_keys SELECT id, finished_at FROM inspections
    WHERE finding_id BETWEEN :first AND :last ON CONFLICT DO NOTHING""",
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for some rows, and the bytes of PostgreSQL's log that they caused."""

    what: str
    rows: int
    seconds: float
    log_bytes: int


def main(
    rows: Annotated[int, typer.Option(min=1000, help="Photos; half of them are erased.")] = 500_000,
) -> None:
    """Fill a PostgreSQL with photos, and erase the older half in both designs.

    Example: python -m benchmarks.retention_cost --rows 500000
    """
    console = Console()
    server = Postgres().start()
    try:
        migrate(server.url)
        with console.status(f"storing {rows:,} photos"):
            fill(server.url, rows)
        # `fill` stores ten photos a second, the last of them an hour ago.
        limit = datetime.now(UTC) - timedelta(hours=1, seconds=rows / 20)
        engine = sa.create_engine(server.url)
        with console.status("both designs"):
            costs = [
                *_one_table(engine, rows),
                *_partitions(engine, rows, limit),
                *_batches(engine, server.url, limit),
            ]
        engine.dispose()
    finally:
        server.stop()
    table = Table("what", "rows", "seconds", "rows a second", "log bytes a row")
    for cost in costs:
        table.add_row(
            cost.what, f"{cost.rows:,}", f"{cost.seconds:.1f}",
            f"{cost.rows / cost.seconds:,.0f}", f"{cost.log_bytes / max(cost.rows, 1):,.0f}",
        )  # fmt: skip
    console.print(table)


def _one_table(engine: sa.Engine, rows: int) -> list[Cost]:
    with engine.begin() as connection:
        for table, at, key in _TABLES:
            connection.execute(sa.text(_ONE_TABLE.format(table=table, time=at, key=key)))
        connection.execute(sa.text(_INDICES.format(design="in_one")))
    watch = _Watch(engine)
    insert_rows(engine, [each.format(design="in_one") for each in _COPY], rows)
    costs = [watch.cost("one table each: store", rows)]
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE inspections_in_one, findings_in_one"))
    return costs


def _partitions(engine: sa.Engine, rows: int, limit: datetime) -> list[Cost]:
    with engine.begin() as connection:
        for table, at, _ in _TABLES:
            connection.execute(sa.text(_PARTITIONS.format(table=table, time=at, limit=limit)))
        connection.execute(sa.text(_KEYS))
        connection.execute(sa.text(_INDICES.format(design="by_day")))
    watch = _Watch(engine)
    insert_rows(engine, [*_COPY_KEYS, *(each.format(design="by_day") for each in _COPY)], rows)
    costs = [watch.cost("partitions and keys: store", rows)]
    watch = _Watch(engine)
    old = _delete_keys(engine, limit)
    costs.append(watch.cost("partitions and keys: erase keys", old))
    watch = _Watch(engine)
    with engine.begin() as connection:
        for table in ("inspections", "findings"):
            connection.execute(sa.text(f"DROP TABLE {table}_old"))
    costs.append(watch.cost("partitions and keys: drop a day", old))
    with engine.begin() as connection:
        for table in ("inspections_by_day", "findings_by_day", "inspection_keys", "finding_keys"):
            connection.execute(sa.text(f"DROP TABLE {table}"))
    return costs


def _delete_keys(engine: sa.Engine, limit: datetime) -> int:
    total = 0
    while True:
        with engine.begin() as connection:
            deleted = [
                connection.execute(
                    sa.text(
                        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} "
                        "WHERE at < :limit ORDER BY at LIMIT :some))"
                    ),
                    {"limit": limit, "some": KEYS_AT_ONCE},
                ).rowcount
                for table in ("inspection_keys", "finding_keys")
            ]
        if not any(deleted):
            return total
        total += deleted[0]


def _batches(engine: sa.Engine, url: str, limit: datetime) -> list[Cost]:
    report = ErasureReport()
    # The bucket costs the same in both designs.
    with closing(Inspections(url)) as store, without_bucket():
        watch = _Watch(engine)
        eraser = PhotoEraser(store, Settings(bucket="overlays"))
        eraser.erase_before(limit, report, dead_letters=False)
        return [watch.cost("batches: erase", report.inspections)]


class _Watch:
    """The time and the position in PostgreSQL's log at which something began."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._position = self._log_position()
        self._began = time.perf_counter()

    def cost(self, what: str, rows: int) -> Cost:
        seconds = time.perf_counter() - self._began
        return Cost(what, rows, seconds, self._log_position() - self._position)

    def _log_position(self) -> int:
        with self._engine.connect() as connection:
            query = sa.text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
            return int(connection.execute(query).scalar_one())


if __name__ == "__main__":
    typer.run(main)
