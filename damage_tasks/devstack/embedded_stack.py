"""The embedded stack: everything that the product needs, as child processes on loopback ports.

An emulator provides SQS and S3 over HTTP, SQLite stores the inspections, and a real Celery worker
examines photos. Optionally, Flower monitors it over an event bus, and events are delivered. For
development, demonstrations and tests.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.devstack.bus_and_flower import Bus, Flower
from damage_tasks.devstack.child_processes import Child, clean_environment
from damage_tasks.devstack.event_deliverer import READY, sends_events, start_deliverer
from damage_tasks.devstack.restarts import Restarts
from damage_tasks.devstack.review_page import ReviewPage
from damage_tasks.devstack.stack_files import StackFiles
from damage_tasks.lanes import URGENT

QUEUE_NAME = "damage"
OVERLAYS_BUCKET = "damage-overlays"
PHOTOS_BUCKET = "damage-photos"
MODELS_BUCKET = "damage-models"
WORKER_READY = "worker is ready"
START_TIMEOUT_SECONDS = 300  # on a busy machine, importing torch alone takes a minute


class Stack:
    """Context manager that starts the stack on entry and stops it on exit.

    ``folder`` contains the database, the logs and ``stack.env``; a second stack in the same folder
    uses ``stack-2.env``, and so on.  The ports are those of the folder's last stack, if they are
    free.  ``database_url`` replaces the SQLite file.  With ``show_worker``, the worker writes to
    this terminal.  ``flower`` also starts Flower, with an event bus unless ``settings`` contains
    one, and adds both to ``stack.env``. ``review`` starts the inspectors' page. ``urgent_queue``
    adds a queue of urgent photos. ``emulator`` is a running emulator that is not stopped; ``app``
    is the Celery application of the workers. Raises a `StackError` that names the part that does
    not start and its log.
    """

    def __init__(
        self,
        folder: Path = Path("var"),
        *,
        processes: int | None = None,
        workers: int = 1,
        database_url: str | None = None,
        show_worker: bool = False,
        flower: bool = False,
        review: bool = False,
        emulator: Emulator | None = None,
        app: str = "damage_tasks",
        visibility_timeout: int = 180,
        urgent_queue: bool = False,
        settings: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self._files = StackFiles(self.folder)
        self.processes = processes
        self.worker_count = workers
        self.database_url = database_url
        self.show_worker = show_worker
        self.environment: dict[str, str] = {}
        self._settings = settings or {}
        self._emulator = emulator
        self._own_emulator = emulator is None
        self._app = app
        self._visibility_timeout = visibility_timeout
        self._with_flower = flower
        self._with_review = review
        self._with_urgent_queue = urgent_queue
        self.bus: Bus | None = None
        self.flower: Flower | None = None
        self.review: ReviewPage | None = None
        self.workers: list[Child] = []
        self.deliverer: Child | None = None
        self._restarts = Restarts()

    @property
    def env_file(self) -> Path:
        """The file of variables that point a shell to this stack."""
        return self._files.env_file

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        self._files.claim()
        logs = self._files.logs
        bus_url = self._settings.get("DAMAGE_EVENT_BUS_URL")
        if self._with_flower and not bus_url:
            self.bus = Bus(logs / "bus.log", self._files.port("bus"))
        if self._emulator is None:
            self._emulator = Emulator(logs / "emulator.log", self._files.port("emulator"))
            self._emulator.start()
        database = self.database_url or f"sqlite:///{self._files.database}"
        self.environment = self._environment_of(self._emulator, database)
        if self.bus:
            self.bus.wait()
            self.environment["DAMAGE_EVENT_BUS_URL"] = self.bus.url
        if self._with_flower:
            self.start_flower()
        _migrate(database)
        self._start_review(logs)
        if sends_events(self.environment):
            self.deliverer = start_deliverer(logs / "deliverer.log", self.environment)
        self._start_workers()
        if self.deliverer:
            self.deliverer.wait_for(READY, START_TIMEOUT_SECONDS)
        for page in (self.flower, self.review):
            if page:
                page.wait()
        self._files.write_env_file(self._variables())

    def _start_review(self, logs: Path) -> None:
        if self._with_review:
            port = self._files.port("review")
            self.review = ReviewPage(logs / "review.log", self.environment, port)

    def _environment_of(self, emulator: Emulator, database: str) -> dict[str, str]:
        """Create the queues and buckets in ``emulator``; returns the workers' variables."""
        queue_url = emulator.create_queues(QUEUE_NAME, self._visibility_timeout)
        urgent = f"{QUEUE_NAME}-{URGENT}"
        urgent_queue = (
            {"DAMAGE_URGENT_QUEUE_URL": emulator.create_queues(urgent, self._visibility_timeout)}
            if self._with_urgent_queue
            else {}
        )
        for bucket in (OVERLAYS_BUCKET, PHOTOS_BUCKET, MODELS_BUCKET):
            emulator.create_bucket(bucket)
        return {
            **emulator.environment,
            "DAMAGE_QUEUE_URL": queue_url,
            **urgent_queue,
            "DAMAGE_BUCKET": OVERLAYS_BUCKET,
            "DAMAGE_DATABASE_URL": database,
            # Only this machine can reach the stack, so it may read local photos.
            "DAMAGE_ALLOW_HTTP": "true",
            "DAMAGE_ALLOW_PRIVATE_ADDRESSES": "true",
            "DAMAGE_FILE_ROOTS": "/",
            **self._settings,
        }

    def _start_workers(self) -> None:
        for _ in range(self.worker_count):
            self.start_worker()
        for worker in self.workers:
            worker.wait_for(WORKER_READY, timeout=START_TIMEOUT_SECONDS)

    def start_worker(self) -> Child:
        """Start another worker without waiting for it."""
        number = len(self.workers) + 1
        log = self._files.logs / f"worker-{number}.log"
        on_terminal = self.show_worker and sys.stderr.isatty()
        worker = Child(
            f"worker {number}",
            [sys.executable, "-m", "celery", "-A", self._app, "worker",
             "--hostname", f"worker{number}@%h",
             *(["--concurrency", str(self.processes)] if self.processes else []),
             "--without-gossip", "--without-mingle"],
            log=log,
            environment={
                **clean_environment(),
                "DAMAGE_HEARTBEAT_FILE": str(log.with_suffix(".heartbeat")),
                "DAMAGE_LOG_FORMAT": "text" if on_terminal else "json",
                **self.environment,
            },
            show=self.show_worker,
        )  # fmt: skip
        worker.start()
        self.workers.append(worker)
        return worker

    def check_workers(self) -> None:
        """Raise `StackError` if a worker has exited by itself."""
        for worker in self.workers:
            worker.check()

    def start_ended_workers(self) -> list[str]:
        """Restart workers, and the deliverer of events, that have ended, as a cluster does.

        Returns messages about it.
        """
        return self._restarts.start_ended(self._workers_and_deliverer())

    def start_flower(self) -> Flower:
        """Start Flower, or restart it, without waiting for it."""
        log = self._files.logs / "flower.log"
        port = self.flower.port if self.flower else self._files.port("flower")
        self.flower = Flower(self._files.flower_history, log, self.environment, port)
        return self.flower

    def client(self, service: str) -> Any:
        """A boto3 client for the stack's own ``sqs`` or ``s3``."""
        assert self._emulator is not None
        return self._emulator.client(service)

    def receive_uploads(self, bucket: str) -> None:
        """Create ``bucket``, whose uploads are announced on the queue.

        Workers examine them if DAMAGE_INTAKE_BUCKETS names it.
        """
        assert self._emulator is not None
        self._emulator.create_bucket(bucket)
        self._emulator.announce_uploads(bucket, self.environment["DAMAGE_QUEUE_URL"])

    def upload(self, name: str, photo: Path) -> str:
        """Upload a photo to the stack's own bucket and return its ``s3://`` URL."""
        key = f"{name}{photo.suffix}"
        self.client("s3").upload_file(str(photo), PHOTOS_BUCKET, key)
        return f"s3://{PHOTOS_BUCKET}/{quote(key)}"

    def read(self, url: str) -> bytes:
        """The object at an ``s3://`` URL."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        answer = self.client("s3").get_object(Bucket=bucket, Key=key)
        data: bytes = answer["Body"].read()
        return data

    def stop(self) -> None:
        """Stop everything that this stack started; calling it again is safe.

        Photos in progress are finished first, unless Ctrl-C is pressed again.
        """
        self._files.remove_env_file()
        try:
            self._stop_children()
        finally:
            if self._own_emulator and self._emulator is not None:
                self._emulator.stop()
                self._emulator = None
            self._files.release()
        self.workers = []
        self.flower = self.review = self.bus = self.deliverer = None

    def _stop_children(self) -> None:
        parts = (self.flower, self.review, self.bus)
        others = [part for part in parts if part is not None]
        try:
            for worker in self.workers:
                worker.terminate()
            for worker in self.workers:
                worker.wait(timeout=30)
            if self.deliverer:
                self.deliverer.terminate()
                self.deliverer.wait(timeout=30)
            for part in others:
                part.stop()
        except KeyboardInterrupt:
            for child in [*self._workers_and_deliverer(), *(part.child for part in others)]:
                child.kill()
            raise

    def _workers_and_deliverer(self) -> list[Child]:
        return [*self.workers, self.deliverer] if self.deliverer else self.workers

    def _variables(self) -> dict[str, str]:
        """The environment, with the addresses of Flower and the inspectors' page."""
        pages = {"FLOWER_URL": self.flower, "REVIEW_URL": self.review}
        return {**self.environment, **{name: page.url for name, page in pages.items() if page}}


def _migrate(database_url: str) -> None:
    from damage_tasks.results.schema_upgrade import migrate

    migrate(database_url)
