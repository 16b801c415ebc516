"""``python -m benchmarks.erasure_speed``: how fast `damage-tasks forget` is, and what it locks.

The rows are those of the inspectors' page's benchmark, the expired ones with pictures. The bucket
is left out.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from unittest.mock import patch

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.database_history import insert_rows, vacuum
from benchmarks.review_page_speed import SECONDS_APART, fill
from damage_tasks.erasure.photo_erasure import ErasureReport, PhotoEraser
from damage_tasks.erasure.retention import erase_expired
from damage_tasks.results.store import Inspections
from damage_tasks.settings import Settings
from tools.postgres import Postgres
from tools.sample_pictures_and_results import finding, inspection

SECONDS_A_DAY = 86_400
PAUSE_SECONDS = 0.05  # between two photos that the worker stores

# `fill` stores all findings now, and without pictures.
_PICTURES = """
UPDATE findings SET overlay_url = 's3://none/overlays/' || findings.id,
    mask_url = 's3://none/masks/' || findings.id, created_at = finished_at
FROM inspections WHERE finding_id = findings.id AND findings.id BETWEEN :first AND :last
"""
# `fill` chooses the ids itself.
_NEXT_ID = "SELECT setval(pg_get_serial_sequence('findings', 'id'), max(id)) FROM findings"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased, in how many seconds, and the longest waits.

    ``lock`` is the longest time in seconds that one transaction held locks of rows, ``save`` the
    longest time in seconds in which a worker stored a photo meanwhile.
    """

    what: str
    rows: int
    seconds: float
    lock: float
    save: float


class NoObjects:
    """Stands in for the bucket."""

    def __init__(self, name: str) -> None:
        self.name = name

    def erase(self, keys: Iterable[str]) -> int:
        """The number of ``keys``."""
        return sum(1 for _ in keys)

    def erase_photo(self, _sha256: str) -> int:
        """None."""
        return 0


@contextmanager
def without_bucket() -> Iterator[None]:
    """Erase rows only."""
    with patch("damage_tasks.erasure.photo_erasure.ObjectEraser", NoObjects):
        yield


def main(
    rows: Annotated[int, typer.Option(min=1000, help="Photos in the database.")] = 2_000_000,
    expired: Annotated[int, typer.Option(help="How many of them are too old.")] = 200_000,
) -> None:
    """Fill a PostgreSQL with photos, and erase a car, a photo, and what has expired.

    Example: python -m benchmarks.erasure_speed --rows 2000000 --expired 200000
    """
    console = Console()
    server = Postgres().start()
    try:
        with console.status(f"storing {rows:,} photos"):
            fill(server.url, rows)
        with console.status("erasing"):
            erasures = list(measure(server.url, rows, expired))
    finally:
        server.stop()
    table = Table("what", "rows", "seconds", "rows a second", "longest lock", "longest save")
    for each in erasures:
        table.add_row(
            each.what, f"{each.rows:,}", f"{each.seconds:.2f}", f"{each.rows / each.seconds:,.0f}",
            f"{1000 * each.lock:.0f} ms", f"{1000 * each.save:.0f} ms",
        )  # fmt: skip
    console.print(table)


def measure(url: str, rows: int, expired: int) -> Iterator[Erasure]:
    """Erase from the database at ``url``, which `fill` filled with ``rows`` photos."""
    engine = sa.create_engine(url)
    insert_rows(engine, [_PICTURES], expired)
    with engine.begin() as connection:
        connection.execute(sa.text(_NEXT_ID))
    vacuum(engine, ["findings"])
    engine.dispose()
    photo = hashlib.sha256(str(rows // 2).encode()).hexdigest()
    settings = Settings(bucket="none", database_url=url)
    with without_bucket(), closing(Inspections(url)) as store:
        eraser = PhotoEraser(store, settings)

        def expire(setting: str, number: int) -> Callable[[ErasureReport], None]:
            days = (rows - number) * SECONDS_APART / SECONDS_A_DAY
            limited = settings.model_copy(update={setting: days})
            return lambda report: erase_expired(store, eraser, limited, report)

        erasures: dict[str, Callable[[ErasureReport], None]] = {
            "one car": lambda report: eraser.erase({"car_id": str(rows // 40 + 1)}, report),
            "one photo": lambda report: eraser.erase_photo(photo, report),
            # The newer half of the expired rows is left for the other settings.
            "expired inspections": expire("retention_days", expired // 2),
            "expired pictures": expire("picture_retention_days", expired),
            "expired decisions": expire("decision_retention_days", expired),
        }
        for what, erase in erasures.items():
            yield _measured(store, what, erase)


def _measured(store: Inspections, what: str, erase: Callable[[ErasureReport], None]) -> Erasure:
    report = ErasureReport()
    with _lock_times(store.engine) as locks, _worker(store, what) as saves:
        began = time.perf_counter()
        erase(report)
        seconds = time.perf_counter() - began
    # Each photo whose pictures expired has two.
    rows = report.inspections or report.decisions or report.objects // 2
    return Erasure(what, rows, seconds, max(locks, default=0.0), max(saves))


@contextmanager
def _lock_times(engine: sa.Engine) -> Iterator[list[float]]:
    """For each transaction that changes rows, the seconds from its first change to its end."""
    found: list[float] = []

    def begin(connection: Any, *given: Any) -> None:
        context = given[3]
        if context.isdelete or context.isupdate:
            connection.info.setdefault("changing_since", time.perf_counter())

    def end(_connection: Any, record: Any) -> None:
        if began := record.info.pop("changing_since", None):
            found.append(time.perf_counter() - began)

    sa.event.listen(engine, "before_cursor_execute", begin)
    sa.event.listen(engine, "checkin", end)
    yield found
    sa.event.remove(engine, "before_cursor_execute", begin)
    sa.event.remove(engine, "checkin", end)


@contextmanager
def _worker(store: Inspections, name: str) -> Iterator[list[float]]:
    """Store photos, as a worker does, and note the seconds of each."""
    found: list[float] = []
    stopping = threading.Event()

    def work(own: Inspections) -> None:
        while not stopping.is_set() or not found:
            text = f"{name} {len(found)}"
            digest = hashlib.sha256(text.encode()).hexdigest()
            began = time.perf_counter()
            now = datetime.now(UTC)
            own.save(inspection(text, finding(), sha256=digest, finished_at=now))
            found.append(time.perf_counter() - began)
            stopping.wait(PAUSE_SECONDS)

    with closing(Inspections(store.engine.url.render_as_string(hide_password=False))) as own:
        thread = threading.Thread(target=work, args=(own,))
        thread.start()
        try:
            yield found
        finally:
            stopping.set()
            thread.join()


if __name__ == "__main__":
    typer.run(main)
