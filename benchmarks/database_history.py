"""Fills a database with as many inspections as a fleet sends in a day or more."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

ROWS_PER_STATEMENT = 50_000  # this process's connections time out after 20 s

_ROWS = """
WITH new AS (INSERT INTO findings (photo_sha256, bundle_digest, verdict, damage_score, decided_by,
    scores, photo_width, photo_height, overlay_url, mask_url, created_at)
SELECT md5(n::text) || md5((-n)::text), md5('bundle') || md5('digest'),
    CASE WHEN n % 10 = 0 THEN 'damaged' ELSE 'clean' END, 0.1, 'damage', '{"damage": 0.1}',
    1600, 1200, 's3://overlays/' || md5(n::text), 's3://masks/' || md5(n::text),
    now() - n * interval '100 milliseconds' - interval '1 hour'
FROM generate_series(:first, :last) AS n RETURNING *)
INSERT INTO inspections (id, photo_url, photo_sha256, photo_bytes, photo_width, photo_height,
    verdict, damage_score, finding_id, reused, bundle_name, bundle_version, bundle_digest,
    timings_ms, attempts, metadata, finished_at)
SELECT gen_random_uuid()::text, 'https://photos.example/' || photo_sha256, photo_sha256, 500000,
    1600, 1200, verdict, damage_score, id, false, 'default', '1', bundle_digest,
    '{"download": 12, "decode": 8, "segmentation": 40, "persistence": 9}', 1,
    '{"car_id": 7}', created_at
FROM new
"""


_BYTES = """
SELECT relname, pg_relation_size(oid) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND pg_relation_size(oid) > 0
"""


def bytes_of(url: str) -> dict[str, int]:
    """The size of each table and index of the PostgreSQL database at ``url``."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = {str(name): int(size) for name, size in connection.execute(sa.text(_BYTES))}
    engine.dispose()
    return found


def fill(url: str, rows: int) -> None:
    """Add ``rows`` findings and as many inspections to the PostgreSQL database at ``url``."""
    engine = sa.create_engine(url)
    insert_rows(engine, [_ROWS], rows)
    vacuum(engine, ["findings", "damages", "inspections"])
    engine.dispose()


def insert_rows(engine: sa.Engine, statements: Sequence[str], rows: int, **parameters: int) -> None:
    """Run ``statements`` for the numbers 1 to ``rows``, `ROWS_PER_STATEMENT` per transaction.

    Each statement inserts rows for the numbers from ``:first`` to ``:last``.
    """
    for first in range(1, rows + 1, ROWS_PER_STATEMENT):
        given = {**parameters, "first": first, "last": min(rows, first + ROWS_PER_STATEMENT - 1)}
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement), given)


def vacuum(engine: sa.Engine, tables: Sequence[str]) -> None:
    """Vacuum and analyse ``tables``, as PostgreSQL does by itself after a while."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in tables:
            connection.execute(sa.text(f"VACUUM ANALYZE {table}"))
