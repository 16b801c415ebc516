"""The upgrade: photos arrive all the time, first for an earlier worker only, then for both."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.database_history import fill
from damage_tasks.devstack import START_TIMEOUT_SECONDS, WORKER_READY, Stack, clean_environment
from damage_tasks.devstack.child_processes import Child
from damage_tasks.results.schema_upgrade import revisions
from damage_tasks.results.tables import inspections
from tools.loopback_web_server import Site
from tools.migration_check.earlier_code import ROOT, unpack
from tools.migration_check.lock_watch import LockWatch
from tools.postgres import Postgres
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_bundle

PHOTO_INTERVAL_SECONDS = 0.25
EXCLUSIVE_LIMIT_SECONDS = 1.0
WAIT_LIMIT_SECONDS = 2.5  # `LOCK_TIMEOUT_SECONDS`, and the time in which the wait ends
QUIET_SECONDS = 240.0
REPORT_LIMIT_SECONDS = 15.0
_MEANWHILE = "verdicts of the new code during the migration"


@dataclass
class UpgradeRun:
    """An upgrade of a database with ``rows`` inspections from the code of ``commit`` to ours.

    A report reads the inspections until ``report_seconds`` after the migration has begun to wait
    for it. The phases without a migration last ``phase_seconds`` each. `run` fills
    ``table``, ``problems``, and ``not_shown`` with what the migration was too short for.
    """

    folder: Path
    commit: str
    rows: int
    phase_seconds: float = 15.0
    report_seconds: float = 4.0
    report: Callable[[str], None] = lambda text: None
    table: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    not_shown: list[str] = field(default_factory=list)
    sent: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Do it."""
        with self._surroundings() as stack:
            earlier = self._start_worker("earlier", stack, self._earlier)
            earlier.wait_for(WORKER_READY, START_TIMEOUT_SECONDS)
            with self._photos(stack):
                time.sleep(self.phase_seconds)
                watch = LockWatch(self._url)
                watch.start()
                migrated, ended, ours = self._migrate(stack, watch)
                watch.stop()
                ours.wait_for(WORKER_READY, START_TIMEOUT_SECONDS)
                time.sleep(self.phase_seconds)
                earlier.terminate()
                earlier.wait(60)
                time.sleep(self.phase_seconds)
            self._wait_for_verdicts()
            if ours.returncode is not None:
                self.problems.append(f"the new worker has ended: {ours.log}")
            ours.terminate()
            ours.wait(60)
            self._judge_locks(watch)
            self._count(earlier, ours, migrated, ended)

    @contextmanager
    def _surroundings(self) -> Iterator[Stack]:
        self._earlier = unpack(self.commit, self.folder / "earlier")
        with ExitStack() as stop:
            postgres = Postgres().start()
            stop.callback(postgres.stop)
            self._url = postgres.url
            self._start_migration(self._earlier).wait()
            self.table["revision before"] = revisions(self._url)[0] or ""
            self.report(f"adding {self.rows:,} inspections")
            fill(self._url, self.rows)
            # The stack would migrate its database, so it gets another one.
            settings = {
                "DAMAGE_DATABASE_URL": self._url,
                "DAMAGE_BUNDLE": str(write_bundle(self.folder / "bundle")),
            }
            stack = Stack(self.folder / "stack", workers=0, settings=settings)
            yield stop.enter_context(stack)

    def _start_worker(self, name: str, stack: Stack, code: Path) -> Child:
        log = self.folder / f"{name}.log"
        celery = [sys.executable, "-m", "celery", "-A", "damage_tasks", "worker", "--concurrency=1",
                  f"--hostname={name}@%h", "--without-gossip", "--without-mingle"]  # fmt: skip
        worker = Child(
            name,
            # Python and Celery import from the current folder first.
            ["sh", "-c", 'cd "$0" && exec "$@"', str(code), *celery],
            log=log,
            environment={
                **clean_environment(),
                "PYTHONPATH": str(code),
                "DAMAGE_LOG_FORMAT": "json",
                "DAMAGE_HEARTBEAT_FILE": str(log.with_suffix(".heartbeat")),
                **stack.environment,
            },
        )
        worker.start()
        return worker

    def _start_migration(self, code: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "damage_tasks", "migrate"],
            cwd=code,
            env={
                **clean_environment(),
                "PYTHONPATH": str(code),
                "DAMAGE_DATABASE_URL": self._url,
            },
        )

    def _migrate(self, stack: Stack, watch: LockWatch) -> tuple[float, float, Child]:
        """When the schema was new, when the migration ended, and our worker."""
        report = threading.Thread(target=self._read_for_long, args=(watch.wanted,))
        report.start()
        begun = time.time()
        migration = self._start_migration(ROOT)
        current, newest = revisions(self._url)
        while current != newest and migration.poll() is None:
            current, newest = revisions(self._url)
            time.sleep(0.1)
        migrated = time.time()
        self.report(f"revision {newest} after {migrated - begun:.1f} s")
        ours = self._start_worker("ours", stack, ROOT)
        if migration.wait():
            self.problems.append(f"the migration ended with status {migration.returncode}")
        ended = time.time()
        report.join()
        self.table["revision after"] = newest or ""
        self.table["seconds until the new schema"] = round(migrated - begun, 1)
        self.table["seconds of the migration"] = round(ended - begun, 1)
        return migrated, ended, ours

    def _read_for_long(self, is_in_the_way: threading.Event) -> None:
        engine = sa.create_engine(self._url)
        with engine.connect() as connection:
            connection.execute(sa.select(inspections.c.id).limit(1))
            is_in_the_way.wait(REPORT_LIMIT_SECONDS)  # not every migration changes this table
            time.sleep(self.report_seconds)
        engine.dispose()

    @contextmanager
    def _photos(self, stack: Stack) -> Iterator[None]:
        """Send a photo every `PHOTO_INTERVAL_SECONDS` meanwhile."""
        site, done = Site(), threading.Event()
        sqs, queue = stack.client("sqs"), stack.environment["DAMAGE_QUEUE_URL"]

        def send() -> None:
            for number in itertools.count():
                url = site.serve(f"/{number}.jpg", jpeg(seed=number))
                body = json.dumps({"image_url": url})
                self.sent.add(sqs.send_message(QueueUrl=queue, MessageBody=body)["MessageId"])
                if done.wait(PHOTO_INTERVAL_SECONDS):
                    return

        sender = threading.Thread(target=send, name="photos")
        sender.start()
        try:
            yield
        finally:
            done.set()
            sender.join()
            self._site = site

    def _wait_for_verdicts(self) -> None:
        end = time.monotonic() + QUIET_SECONDS
        while self.sent - self._verdicts().keys() and time.monotonic() < end:
            time.sleep(1)
        self._site.close()

    def _verdicts(self) -> dict[str, tuple[str, float]]:
        """Verdict and time of each photo that was sent, by id."""
        engine = sa.create_engine(self._url)
        columns = (inspections.c.id, inspections.c.verdict, inspections.c.finished_at)
        query = sa.select(*columns).where(inspections.c.id.in_(self.sent))
        with engine.connect() as connection:
            rows = connection.execute(query).all()
        engine.dispose()
        return {row.id: (row.verdict, row.finished_at.timestamp()) for row in rows}

    def _judge_locks(self, watch: LockWatch) -> None:
        longest = max(watch.exclusive.values(), default=0.0)
        self.table["longest ACCESS EXCLUSIVE lock in seconds"] = round(longest, 3)
        self.table["longest wait of others in seconds"] = round(watch.longest_wait, 3)
        if longest > EXCLUSIVE_LIMIT_SECONDS:
            self.problems.append(f"tables were locked for {longest:.1f} s: {watch.exclusive}")
        if watch.longest_wait > WAIT_LIMIT_SECONDS:
            self.problems.append(f"a statement waited for {watch.longest_wait:.1f} s")

    def _count(self, earlier: Child, ours: Child, migrated: float, ended: float) -> None:
        verdicts = self._verdicts()
        by_earlier, by_ours = (
            {id for id in verdicts if id in worker.log.read_text()} for worker in (earlier, ours)
        )
        finished = {id: at for id, (_, at) in verdicts.items()}
        self.table |= {
            "photos": len(self.sent),
            "verdicts of the earlier code on its schema": sum(
                finished[id] < migrated for id in by_earlier
            ),
            "verdicts of the earlier code on the new schema": sum(
                finished[id] > migrated for id in by_earlier
            ),
            _MEANWHILE: sum(finished[id] < ended for id in by_ours),
            "verdicts of the new code afterwards": sum(finished[id] > ended for id in by_ours),
        }
        missing = [
            name
            for name, number in self.table.items()
            if name.startswith("verdicts") and not number
        ]
        # A short migration ends before a worker of the new code is ready.
        self.not_shown = [name for name in missing if name == _MEANWHILE]
        self.problems += [f"there were no {name}" for name in missing if name != _MEANWHILE]
        if lost := len(self.sent) - len(verdicts):
            self.problems.append(f"{lost} photos have no verdict")
        if wrong := {id for id, (what, _) in verdicts.items() if what not in ("damaged", "clean")}:
            self.problems.append(f"{len(wrong)} photos were rejected or failed")
