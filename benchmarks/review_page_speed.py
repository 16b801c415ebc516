"""How long the inspectors' page takes on the server, with many inspections in PostgreSQL.

`make bench-review ARGS="--rows 1000000"` prints milliseconds, and fails above its goal.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import sqlalchemy as sa
from starlette.testclient import TestClient

from benchmarks.database_history import insert_rows, vacuum
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.results.store import Inspections
from damage_tasks.review.web_application import build_application
from damage_tasks.settings import Settings
from tools.postgres import Postgres

REPEATS = 20
# Medians of the server's time.
GOAL_MILLISECONDS = 100.0  # of each page with 1,000,000 inspections, and of a decision with any
GOAL_OF_MORE_MILLISECONDS = 300.0  # of each page with up to 10,000,000 inspections
MANY = 1_000_000
POSTED = ("decision", "undo")
# Without a goal: the report is computed once in ten minutes, and nobody waits for counts.
REPORT = "first quality"
COUNTS, SEVERAL_COUNTS = "counts under a filter", "counts, several filters"
SECONDS_APART = 2

# One photo in five is damaged, one damaged area in 200 is severe, one photo in fifty is poor, and
# people decided about one in ten after an hour. The networks are sure of most; one photo in seven
# was examined by a worker that stored neither review band nor quality in the inspection. Photos
# come every two seconds, four of each case; one in ten names no camera, one in 5,000 a rare one.
_FINDINGS = """
INSERT INTO findings (id, photo_sha256, bundle_digest, verdict, damage_score, decided_by, scores,
    photo_width, photo_height, quality, created_at)
SELECT n, encode(sha256(n::text::bytea), 'hex'), repeat('b', 64),
    CASE WHEN n % 5 = 0 THEN 'damaged' ELSE 'clean' END,
    CASE WHEN n % 5 = 0 THEN 1 - power(random(), 4) ELSE power(random(), 4) END, 'damage',
    '{"damage": 0.5}',
    1600, 1200, jsonb_build_object('blur', 100, 'brightness', 0.5, 'reasons', '[]'::jsonb,
    'verdict', CASE WHEN n % 50 = 0 THEN 'poor' ELSE 'good' END), now()
FROM generate_series(:first, :last) AS n
"""
_DAMAGES = """
INSERT INTO damages (finding_id, number, type, confidence, severity, area_px, area_ratio,
    x, y, width, height, polygon)
SELECT n, 1, (ARRAY['dent', 'scratch', 'spacing', 'breakage'])[1 + n / 5 % 4], 0.8,
    CASE WHEN n % 1000 = 0 THEN 'severe' WHEN n % 50 = 0 THEN 'moderate' ELSE 'minor' END,
    1000, 0.001, 100, 100, 50, 50, '[[100, 100], [150, 100], [150, 150]]'
FROM generate_series(:first, :last) AS n WHERE n % 5 = 0
"""
_INSPECTIONS = """
INSERT INTO inspections (id, photo_url, photo_sha256, photo_bytes, photo_width, photo_height,
    verdict, damage_score, finding_id, reused, bundle_name, bundle_version, bundle_digest,
    timings_ms, attempts, metadata, finished_at, decided_at, is_unsure, is_poor, case_id, camera)
SELECT 'task-' || n, 'https://photos.example/' || n || '.jpg', f.photo_sha256, 1000000, 1600, 1200,
    f.verdict, f.damage_score, n, false, 'default', '2.0.' || n % 3, f.bundle_digest,
    '{"download": 12}', 1, jsonb_build_object('car_id', n / 20, 'rental_id', 'r-' || n / 4),
    now() - (:total - n) * :apart * interval '1 second',
    CASE WHEN n % 10 = 3 AND n < :total - 1800
        THEN now() - (:total - n - 1800) * :apart * interval '1 second' END,
    CASE WHEN n % 7 > 0 THEN f.damage_score BETWEEN 0.05 AND 0.6 END,
    CASE WHEN n % 7 > 0 THEN n % 50 = 0 END,
    'case-' || n / 4,
    CASE WHEN n % 5000 = 0 THEN 'Nikon D90' WHEN n % 10 < 9 THEN
        (ARRAY['Apple iPhone ', 'Samsung SM-G9', 'Xiaomi Redmi '])[1 + n % 3] || n % 20 END
FROM findings f JOIN generate_series(:first, :last) AS n ON n = f.id
"""
_DECISIONS = """
INSERT INTO decisions (inspection_id, person, action, payload, seconds, bundle_digest, made_at)
SELECT 'task-' || n, 'person-' || n % 7, 'confirm', '{}', 6, repeat('b', 64), decided_at
FROM generate_series(:first, :last) AS n JOIN inspections ON id = 'task-' || n
WHERE decided_at IS NOT NULL
"""


def fill(url: str, rows: int) -> None:
    """Migrate the database at ``url`` and add ``rows`` inspections with findings."""
    migrate(url)
    engine = sa.create_engine(url)
    statements = [_FINDINGS, _DAMAGES, _INSPECTIONS, _DECISIONS]
    insert_rows(engine, statements, rows, total=rows, apart=SECONDS_APART)
    vacuum(engine, ["findings", "damages", "inspections", "decisions"])
    engine.dispose()


@contextmanager
def opened_page(url: str) -> Iterator[TestClient]:
    """A client of the page in this process, so that only the server's own time is measured."""
    store = Inspections(url)
    settings = Settings(bucket="none", database_url=url)
    with TestClient(build_application(settings, store), base_url="http://127.0.0.1") as client:
        yield client
    store.close()


def page_milliseconds(client: TestClient, rows: int) -> dict[str, tuple[float, float]]:
    """Median and worst milliseconds of each page."""
    day = datetime.now(UTC) - timedelta(days=2)
    pages: dict[str, str] = {
        name: f"/lists/{name}" for name in ("unsure", "damaged", "poor-photo", "audit", "all")
    }
    pages |= {
        "next unsure": "/lists/unsure/next",
        "a later page": f"/lists/all?after=task-{rows // 2}",
        "a later page of unsure": f"/lists/unsure?after=task-{rows // 2 + 1}",
        "filter car": f"/lists/all?car={rows // 40}",
        "filter verdict and type": "/lists/damaged?type=spacing",
        "filter score": "/lists/all?min_score=40&max_score=45",
        "filter bundle": "/lists/all?bundle=2.0.1",
        "filter days": f"/lists/all?since={day:%Y-%m-%d}&until={day:%Y-%m-%d}",
        "filter case": f"/lists/all?case=case-{rows // 8}",
        "filter severity": "/lists/all?severity=moderate",
        "filter rare severity": "/lists/damaged?severity=severe",
        "filter camera": "/lists/all?camera=apple",
        "filter rare camera": "/lists/all?camera=nikon+d90",
        "filter unknown camera": "/lists/unsure?camera=leica",
        "filter rare score": "/lists/all?min_score=49.99&max_score=50",
        "filter unknown bundle": "/lists/unsure?bundle=1.9.9",
        "filter poor, day": f"/lists/poor-photo?since={day:%Y-%m-%d}&until={day:%Y-%m-%d}",
        "filter unsure, day": f"/lists/unsure?since={day:%Y-%m-%d}&until={day:%Y-%m-%d}",
        "several filters": "/lists/damaged?type=dent&severity=moderate&min_score=50&camera=apple"
        f"&bundle=2.0.0&since={day - timedelta(days=1):%Y-%m-%d}",
        COUNTS: "/lists/all/counts?severity=moderate",
        SEVERAL_COUNTS: "/lists/damaged/counts?type=dent&severity=moderate&min_score=50"
        f"&camera=apple&bundle=2.0.0&since={day - timedelta(days=1):%Y-%m-%d}",
        "inspection": f"/inspections/task-{rows // 2}?list=damaged",
    }
    first = _timed(client, "/quality", 0)
    pages["quality"] = "/quality"
    return {REPORT: first} | {name: _timed(client, path) for name, path in pages.items()}


def decision_milliseconds(client: TestClient, rows: int) -> dict[str, tuple[float, float]]:
    """Median and worst milliseconds until a decision is stored, and until it is undone."""
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/").text)
    if token is None:
        raise ValueError("/: has no form")
    form = {"csrf": token[1], "list": "/lists/damaged", "action": "confirm", "seconds": "4"}
    times: dict[str, list[float]] = {name: [] for name in POSTED}
    for number in range(REPEATS + 1):
        path = f"/inspections/task-{rows // 2 + number}/decisions"
        for name, posted in zip(POSTED, (path, "/undo"), strict=True):
            times[name].append(_milliseconds(client, "POST", posted, data=form))
    return {name: _figures(each) for name, each in times.items()}


def goal(name: str, rows: int) -> float:
    """The milliseconds that the median of ``name`` may take with ``rows`` inspections."""
    if name in (REPORT, COUNTS, SEVERAL_COUNTS):
        return math.inf
    return GOAL_MILLISECONDS if rows <= MANY or name in POSTED else GOAL_OF_MORE_MILLISECONDS


def _timed(client: TestClient, path: str, repeats: int | None = None) -> tuple[float, float]:
    count = (REPEATS if repeats is None else repeats) + 1
    return _figures([_milliseconds(client, "GET", path) for _ in range(count)])


def _milliseconds(client: TestClient, method: str, path: str, **sent: Any) -> float:
    began = time.perf_counter()
    answer = client.request(method, path, follow_redirects=False, **sent)
    spent = (time.perf_counter() - began) * 1000
    if answer.status_code not in (200, 303):
        raise ValueError(f"{path}: {answer.status_code}")
    return spent


def _figures(times: list[float]) -> tuple[float, float]:
    """Median and maximum, without the first one, which fills caches."""
    counted = times[1:] or times
    return median(counted), max(counted)


def main() -> None:
    """Fill a database and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    server = Postgres().start()
    try:
        fill(server.url, rows)
        with opened_page(server.url) as client:
            found = page_milliseconds(client, rows) | decision_milliseconds(client, rows)
    finally:
        server.stop()
    for name, (middle, worst) in found.items():
        sys.stdout.write(f"{name:25} {middle:7.1f} ms, worst {worst:7.1f} ms\n")
    if slow := [name for name, (middle, _) in found.items() if middle > goal(name, rows)]:
        limits = ", ".join(f"{name} ({goal(name, rows):.0f} ms)" for name in slow)
        sys.exit(f"slower than the goal: {limits}")


if __name__ == "__main__":
    main()
