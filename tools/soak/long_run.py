"""Sends photos at a steady rate, restarts parts of the stack in turn, and samples the rest."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path

import sqlalchemy as sa

from damage_tasks.devstack import START_TIMEOUT_SECONDS, WORKER_READY, Stack, clean_environment
from damage_tasks.devstack.aws_emulator import REGION, Emulator
from damage_tasks.devstack.child_processes import Child
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.results.tables import inspections
from tools.chaos.experiment import queue_counts
from tools.chaos.fault_plan import PROCESS_KILLED, WORKER_KILLED, WORKER_TERMINATED, Fault
from tools.chaos.worker_pool import Workers
from tools.postgres import Postgres
from tools.soak.sample_taking import sampler
from tools.soak.samples import Samples

BUS_RESTARTED, POSTGRES_RESTARTED = "event bus restarted", "PostgreSQL restarted"
CHURN = (WORKER_TERMINATED, BUS_RESTARTED, WORKER_KILLED, POSTGRES_RESTARTED, PROCESS_KILLED)
BUS_OUTAGE_SECONDS = 3.0
GRACE_PERIOD_SECONDS = 105.0  # the chart's terminationGracePeriodSeconds
QUIET_SECONDS = 300.0  # for the photos of workers that were killed
EVENTS_QUEUE = "events"
SETTINGS = {
    # As in the chart.
    "DAMAGE_PREFETCH": "4",
    "DAMAGE_LOG_FORMAT": "json",
    "DAMAGE_EVENT_TARGETS": f"arn:aws:sqs:{REGION}:000000000000:{EVENTS_QUEUE}",
    # Flower remembers as many photos and lost workers as it will after a longer time.
    "FLOWER_MAX_TASKS": "300",
    "FLOWER_PURGE_OFFLINE_WORKERS": "120",
}


@dataclass
class LongRun:
    """One run of ``minutes`` with ``photos_per_second`` of the JPEGs in ``photos``.

    One worker, the deliverer of events and Flower run from beginning to end and are sampled. A
    second worker, the event bus and PostgreSQL restart in turn, one every ``churn_seconds``.
    ``settings`` are those of all programs in addition to `SETTINGS`.
    """

    folder: Path
    photos: Path
    minutes: float = 60.0
    photos_per_second: float = 2.0
    churn_seconds: float = 60.0
    sample_seconds: float = 5.0
    processes: int = 2
    visibility_timeout: int = 100  # seconds
    settings: dict[str, str] = field(default_factory=dict)
    report: Callable[[str], None] = lambda text: None
    samples: Samples = field(default_factory=Samples)
    restarts: Counter[str] = field(default_factory=Counter)
    sent: set[str] = field(default_factory=set)
    verdicts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Do it; ``problems`` then contains lost photos and programs that ended."""
        with self._surroundings() as stack:
            self._stack = stack
            lasting = self._start_lasting_worker()
            pool = Workers(stack, 1, grace=GRACE_PERIOD_SECONDS)
            pool.start()
            try:
                self._repeat_until_the_end(lasting, pool)
                self._wait_for_quiet()
            finally:
                pool.stop()
            self.problems += pool.problems
            self._check(lasting)

    @contextmanager
    def _surroundings(self) -> Iterator[Stack]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stop:
            self._postgres = Postgres().start()
            stop.callback(self._postgres.stop)
            migrate(self._postgres.url)
            emulator = Emulator(self.folder / "emulator.log")
            emulator.start()
            stop.callback(emulator.stop)
            emulator.client("sqs").create_queue(QueueName=EVENTS_QUEUE)
            self._address = stop.enter_context(self._photo_server())
            self._state = self.folder / "lasting"
            (self._state / "tmp").mkdir(parents=True)
            yield stop.enter_context(
                Stack(
                    self.folder,
                    processes=self.processes,
                    workers=0,
                    database_url=self._postgres.url,
                    flower=True,
                    emulator=emulator,
                    visibility_timeout=self.visibility_timeout,
                    settings={**SETTINGS, "TMPDIR": str(self._state / "tmp"), **self.settings},
                )
            )

    @contextmanager
    def _photo_server(self) -> Iterator[str]:
        server = Child(
            "photo server",
            [sys.executable, "-m", "benchmarks.photo_server", str(self.photos.absolute())],
            log=self.folder / "photo-server.log",
            environment=clean_environment(),
        )
        server.start()
        server.wait_for("photo server's port", START_TIMEOUT_SECONDS)
        yield f"http://127.0.0.1:{int(server.log.read_text().split()[0])}"
        server.kill()

    def _start_lasting_worker(self) -> Child:
        stack = self._stack
        port = free_port()
        self._metrics_url = f"http://127.0.0.1:{port}/metrics"
        usual = dict(stack.environment)
        stack.environment["DAMAGE_METRICS_PORT"] = str(port)
        stack.environment["DAMAGE_HEARTBEAT_FILE"] = str(self._state / "heartbeat")
        worker = stack.start_worker()
        worker.wait_for(WORKER_READY, START_TIMEOUT_SECONDS)
        # A pod that is killed leaves nothing to the next one.
        other = self.folder / "replaced"
        other.mkdir()
        stack.environment.clear()
        stack.environment.update({**usual, "TMPDIR": str(other)})
        return worker

    def _repeat_until_the_end(self, lasting: Child, pool: Workers) -> None:
        acts = [
            (1.0, self._send_photos()),
            (self.sample_seconds, self._sample(lasting)),
            (self.churn_seconds, self._restart_something(pool)),
        ]
        begun = time.monotonic()
        self._begun = begun
        due = [begun, begun, begun + self.churn_seconds]
        while (now := time.monotonic()) < begun + 60 * self.minutes:
            for number, (interval, act) in enumerate(acts):
                if now >= due[number]:
                    act()
                    due[number] += interval
            time.sleep(max(0.0, min(due) - time.monotonic()))

    def _send_photos(self) -> Callable[[], None]:
        paths = cycle(sorted(path.relative_to(self.photos) for path in self.photos.rglob("*.jpg")))
        serials = count(time.time_ns())
        sqs, queue = self._stack.client("sqs"), self._stack.environment["DAMAGE_QUEUE_URL"]
        seconds = count(1)

        def send() -> None:
            goal = round(next(seconds) * self.photos_per_second)
            while len(self.sent) < goal:
                url = f"{self._address}/0/{next(serials)}/{next(paths)}"
                answer = sqs.send_message(
                    QueueUrl=queue, MessageBody=json.dumps({"image_url": url})
                )
                self.sent.add(answer["MessageId"])

        return send

    def _sample(self, lasting: Child) -> Callable[[], None]:
        stack = self._stack
        assert stack.deliverer and stack.flower
        return sampler(
            self.samples,
            lasting.pid,
            {"deliverer": stack.deliverer.pid, "Flower": stack.flower.child.pid},
            metrics_url=self._metrics_url,
            database_url=self._postgres.url,
            state=self._state,
        )

    def _restart_something(self, pool: Workers) -> Callable[[], None]:
        parts = cycle(CHURN)

        def restart() -> None:
            what = next(parts)
            if what == BUS_RESTARTED:
                assert self._stack.bus
                self._stack.bus.child.kill()
                time.sleep(BUS_OUTAGE_SECONDS)
                self._stack.bus.child.start_again()
            elif what == POSTGRES_RESTARTED:
                self._postgres.restart()
            else:
                pool.harm(Fault(0.0, what))
            self.restarts[what] += 1
            self.report(
                f"{time.monotonic() - self._begun:5.0f} s: {len(self.sent)} sent, "
                f"{sum(queue_counts(self._stack))} on the queue; {what}"
            )

        return restart

    def _wait_for_quiet(self) -> None:
        end = time.monotonic() + QUIET_SECONDS
        while (left := sum(queue_counts(self._stack))) and time.monotonic() < end:
            time.sleep(1)
        if left:
            self.problems.append(f"{left} messages are left on the queue")

    def _check(self, lasting: Child) -> None:
        engine = sa.create_engine(self._postgres.url)
        with engine.connect() as connection:
            rows = connection.execute(sa.select(inspections.c.id, inspections.c.verdict)).all()
        engine.dispose()
        self.verdicts = Counter(row.verdict for row in rows)
        lost = self.sent - {row.id for row in rows}
        if lost:
            self.problems.append(f"{len(lost)} photos have no verdict: {sorted(lost)[:5]}")
        if wrong := self.verdicts.keys() - {"damaged", "clean"}:
            self.problems.append(f"photos are {', '.join(sorted(wrong))}: {dict(self.verdicts)}")
        assert self._stack.deliverer and self._stack.flower
        for program in (lasting, self._stack.deliverer, self._stack.flower.child):
            if program.returncode is not None:
                self.problems.append(f"{program.name} has ended: {program.log}")
