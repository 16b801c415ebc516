"""How long it takes to find one car's inspections, and what its indices cost at writing."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa

from benchmarks.database_history import bytes_of, insert_rows, vacuum
from damage_tasks.results.search_indices import INDEXED_METADATA, fit_search_indices
from damage_tasks.results.store import Inspections

ROWS = 10_000_000
PHOTOS_OF_A_CAR = 20
FREE_BYTES = 40 * 1000**3  # what ten million rows, their indices and PostgreSQL's log may need
WRITTEN_ROWS = 100_000

# Slim: no photo address, digest or finding. The photos of a car lie far apart, as in reality.
_SLIM = """
INSERT INTO inspections (id, verdict, damage_score, reused, timings_ms, attempts, metadata,
    finished_at)
SELECT lpad(n::text, 12, '0'), 'clean', 0.1, false, '{}', 1,
    jsonb_build_object('car_id', n % :cars, 'rental_id', 'r-' || n / 4),
    timestamptz '2026-01-01' + n * interval '1 second'
FROM generate_series(:first, :last) AS n
"""
# With as many keys as services usually send.
_WITH_METADATA = """
INSERT INTO inspections (id, verdict, damage_score, reused, timings_ms, attempts, metadata,
    finished_at)
SELECT 'w' || n, 'clean', 0.1, false, '{"download": 12, "decode": 8}', 1,
    jsonb_build_object('car_id', md5((n / 20)::text), 'rental_id', md5((n / 4)::text),
    'request_id', md5(n::text), 'branch', n % 500, 'side', n % 4, 'country', 'DE'), now()
FROM generate_series(:first, :last) AS n
"""


def measure_searches(
    new_database: Callable[[], str], rows: int, say: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    """Tables of figures: searches among ``rows`` inspections, their disk space, and writes."""
    say("what indices of metadata cost at writing")
    written = write_microseconds(new_database())
    say(f"filling a database with {rows:,} slim rows")
    url = new_database()
    filled = fill_slim(url, rows, say)
    say(f"one car among {rows:,} rows")
    return {"search": search_milliseconds(url, rows), "search_disk": filled, "writes": written}


def missing_disk(folder: Path) -> str | None:
    """Why ten million rows do not fit into ``folder``; None if they do."""
    free = shutil.disk_usage(folder).free
    if free >= FREE_BYTES:
        return None
    return (
        f"skipped: {free / 1e9:.0f} GB of disk are free, and {FREE_BYTES / 1e9:.0f} GB are needed"
    )


def fill_slim(url: str, rows: int, say: Callable[[str], None]) -> dict[str, float]:
    """Add ``rows`` slim inspections and create the indices; returns seconds and bytes per row."""
    fit_search_indices(url, (), all_metadata=False)
    engine = sa.create_engine(url)
    began = time.monotonic()
    insert_rows(engine, [_SLIM], rows, cars=rows // PHOTOS_OF_A_CAR)
    filled = time.monotonic() - began
    say(f"{rows:,} rows after {filled:.0f} s; creating the indices")
    began = time.monotonic()
    fit_search_indices(url, INDEXED_METADATA, all_metadata=False)
    indexed = time.monotonic() - began
    vacuum(engine, ["inspections"])
    engine.dispose()
    sizes = {name: size / rows for name, size in bytes_of(url).items() if "inspections" in name}
    return {"fill seconds": filled, "index seconds": indexed, **sizes}


def search_milliseconds(url: str, rows: int) -> dict[str, float]:
    """Median and worst milliseconds of searches, each for another car or rental."""
    cars, random_cars = rows // PHOTOS_OF_A_CAR, random.Random(1)
    store = Inspections(url)
    store.search({}, 1)
    found: dict[str, float] = {}
    searches: Mapping[str, Callable[[int], Any]] = {
        "car_id": lambda n: store.search({"car_id": n}, 100),
        "car_id in metadata": lambda n: store.search({"metadata": {"car_id": n}}, 100),
        "rental_id": lambda n: store.search({"rental_id": f"r-{n}"}, 100),
    }
    for name, search in searches.items():
        times = []
        for _ in range(200):
            number = random_cars.randrange(cars)
            began = time.perf_counter()
            inspections, _ = search(number)
            times.append((time.perf_counter() - began) * 1000)
            if not inspections:
                raise ValueError(f"{name} {number} has no inspections")
        found |= {name: median(times), f"{name}, worst of 200": max(times)}
    store.close()
    return found


def write_microseconds(url: str) -> dict[str, float]:
    """Microseconds to insert a row into a small table, with more and more indices of metadata."""
    sets = {
        "no index": ((), False),
        "two keys": (INDEXED_METADATA, False),
        "four keys": ((*INDEXED_METADATA, "request_id", "branch"), False),
        "two keys and all metadata": (INDEXED_METADATA, True),
    }
    engine = sa.create_engine(url)
    found: dict[str, list[float]] = {name: [] for name in sets}
    first = 1
    for _ in range(3):
        for name, (keys, all_metadata) in sets.items():
            fit_search_indices(url, keys, all_metadata)
            began = time.perf_counter()
            with engine.begin() as connection:
                connection.execute(
                    sa.text(_WITH_METADATA), {"first": first, "last": first + WRITTEN_ROWS - 1}
                )
            found[name].append((time.perf_counter() - began) * 1e6 / WRITTEN_ROWS)
            first += WRITTEN_ROWS
    engine.dispose()
    return {name: median(times) for name, times in found.items()}
