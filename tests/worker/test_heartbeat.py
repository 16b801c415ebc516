"""The heartbeat is truthful: real workers whose polling hangs, whose processes die or freeze."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import psutil
import pytest

from damage_tasks.devstack import Stack
from damage_tasks.settings import Settings
from tests.operators.conftest import wait_until
from tools.loopback_web_server import Site

PROBE = Path(__file__).parent.parent.parent / "damage_tasks/worker/probe.sh"
LIMIT = 15
STARTING = Lock()


def probe(word: str, file: Path) -> tuple[bool, str]:
    """The probe's exit status and message."""
    done = subprocess.run(
        ["/bin/sh", str(PROBE), word],
        env={"PATH": "/usr/bin:/bin", "DAMAGE_HEARTBEAT_FILE": str(file)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout.strip()


class TestProbe:
    """A POSIX shell script; no Python is started."""

    def beat(self, folder: Path, age: int) -> Path:
        file = folder / "heartbeat"
        file.write_text(f"{int(time.time()) - age} 120\n")
        return file

    def test_fresh_stale_missing(self, tmp_path: Path) -> None:
        assert probe("live", self.beat(tmp_path, 3))[0]
        stale, why = probe("live", self.beat(tmp_path, 200))
        assert not stale
        assert "200 s old; 120 s are allowed" in why or "201 s old" in why
        assert probe("live", tmp_path / "none") == (False, f"no heartbeat in {tmp_path}/none")

    def test_ready_needs_the_ready_file_and_a_heartbeat(self, tmp_path: Path) -> None:
        file = self.beat(tmp_path, 3)
        assert not probe("ready", file)[0]
        Path(f"{file}.ready").touch()
        assert probe("ready", file)[0]
        assert not probe("ready", self.beat(tmp_path, 200))[0]

    def test_of_an_empty_file_as_a_full_disk_leaves_it_the_time_counts(
        self, tmp_path: Path
    ) -> None:
        file = tmp_path / "heartbeat"
        file.touch()
        assert probe("live", file)[0]
        os.utime(file, (time.time() - 200,) * 2)
        assert not probe("live", file)[0]

    def test_it_is_cheap(self, tmp_path: Path) -> None:
        assert "python" not in PROBE.read_text().lower().replace("no python", "")
        file = self.beat(tmp_path, 0)
        before = os.times()
        for _ in range(20):
            probe("live", file)
        after = os.times()
        spent = after.children_user + after.children_system
        spent -= before.children_user + before.children_system
        assert spent / 20 < 0.05  # seconds of CPU; starting Python takes ten times as many

    def test_it_looks_where_the_worker_writes(self) -> None:
        assert f"${{DAMAGE_HEARTBEAT_FILE:-{Settings().heartbeat_file}}}" in PROBE.read_text()


class Relay:
    """A relay in front of SQS that can fall silent: connections stay open, nothing is answered."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.silent = Event()
        self.sockets: list[socket.socket] = [socket.create_server(("127.0.0.1", 0))]
        self.port = self.sockets[0].getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.sockets[0].accept()
                upstream = socket.create_connection(("127.0.0.1", self.target))
                self.sockets += [client, upstream]
                for source, target in ((client, upstream), (upstream, client)):
                    Thread(target=self._pump, args=(source, target), daemon=True).start()
                del client, upstream, source, target

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.silent.is_set():
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close every connection."""
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class Worker:
    """One worker of the stack, with its own heartbeat."""

    def __init__(self, stack: Stack, folder: Path, **settings: str) -> None:
        self.file = folder / "heartbeat"
        environment = {
            **os.environ, **stack.environment,
            "DAMAGE_HEARTBEAT_FILE": str(self.file), "DAMAGE_HEARTBEAT_LIMIT": str(LIMIT),
            "DAMAGE_STALL_TIMEOUT": "200", "DAMAGE_DOWNLOAD_TIMEOUT": "200", **settings,
        }  # fmt: skip
        self.log = folder / "worker.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "damage_tasks", "worker", "-c1"],
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(lambda: self.is_("ready"), "readiness", 90)

    def is_(self, word: str) -> bool:
        """Whether the probe reports ``live`` or ``ready``."""
        return probe(word, self.file)[0]

    @property
    def child(self) -> psutil.Process:
        """The process that examines photos."""
        return psutil.Process(self.process.pid).children()[0]

    def goes_stale(self, timeout: float = 90) -> None:
        """Wait until the probe no longer reports live, while the worker itself still runs."""
        wait_until(lambda: not self.is_("live"), f"a stale heartbeat\n{self.tail}", timeout)
        assert self.process.poll() is None

    @property
    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:]


def send_slow_photo(stack: Stack, site: Site, seconds: float) -> None:
    """Put a photo on the queue whose server is slow and then returns 404."""

    def page(handler: Any) -> None:
        time.sleep(seconds)
        handler.send_error(404)

    site.pages["/slow.jpg"] = page
    stack.client("sqs").send_message(
        QueueUrl=stack.environment["DAMAGE_QUEUE_URL"],
        MessageBody=json.dumps({"image_url": site.url + "/slow.jpg"}),
    )


def healthy(worker: Worker, stack: Stack, site: Site, relay: Relay) -> None:
    """Busy with one photo for almost a minute, and idle afterwards."""
    send_slow_photo(stack, site, 58)
    end = time.monotonic() + 62 + LIMIT
    while time.monotonic() < end:
        alive, why = probe("live", worker.file)
        assert alive, f"{why}\n{worker.tail}"
        time.sleep(0.5)


def hung_poll(worker: Worker, stack: Stack, site: Site, relay: Relay) -> None:
    """SQS stops answering, and resumes later."""
    relay.silent.set()
    worker.goes_stale()
    assert not worker.is_("ready")
    relay.silent.clear()
    wait_until(lambda: worker.is_("live"), f"a heartbeat again\n{worker.tail}", 120)


def dead_pool(worker: Worker, stack: Stack, site: Site, relay: Relay) -> None:
    """As if the OOM killer ended every process before it could load the bundle."""
    stop = Event()

    def kill_each() -> None:
        while not stop.is_set():
            for child in psutil.Process(worker.process.pid).children():
                with suppress(psutil.NoSuchProcess):
                    child.send_signal(signal.SIGKILL)
            time.sleep(0.05)

    killer = Thread(target=kill_each, daemon=True)
    killer.start()
    try:
        worker.goes_stale()
    finally:
        stop.set()
        killer.join()


def stuck_child(worker: Worker, stack: Stack, site: Site, relay: Relay) -> None:
    """The process exists but takes no photos."""
    worker.child.send_signal(signal.SIGSTOP)
    send_slow_photo(stack, site, 0)
    worker.goes_stale(120)
    assert "no process has taken photo" in worker.tail


SCENARIOS: dict[Callable[..., None], dict[str, str]] = {
    healthy: {"DAMAGE_SOFT_TIME_LIMIT": "80"},
    hung_poll: {},
    dead_pool: {"DAMAGE_LOAD_TIMEOUT": "4"},
    stuck_child: {},
}


def play(scenario: Callable[..., None], folder: Path, settings: dict[str, str]) -> None:
    """One scenario with its own stack and worker."""
    site = Site()
    with ExitStack() as stays:
        with STARTING:  # Alembic cannot migrate two databases at a time
            stack = stays.enter_context(Stack(folder / "var", workers=0))
        relay = Relay(int(stack.environment["AWS_ENDPOINT_URL"].rpartition(":")[2]))
        through = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{relay.port}"}
        worker = Worker(stack, folder, **through, **settings)
        try:
            scenario(worker, stack, site, relay)
        finally:
            for process in psutil.Process(worker.process.pid).children(recursive=True):
                process.send_signal(signal.SIGKILL)
            worker.process.kill()
            worker.process.wait()
            relay.close()
            site.close()


@pytest.fixture(scope="session")
def playing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Any, Future[None]]]:
    """All scenarios at once, because they mostly wait."""
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {
            scenario: pool.submit(
                play, scenario, tmp_path_factory.mktemp(scenario.__name__), settings
            )
            for scenario, settings in SCENARIOS.items()
        }


@pytest.mark.xdist_group("heartbeat")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_heartbeat_shows_the_workers_state(
    scenario: Callable[..., None], playing: dict[Any, Future[None]]
) -> None:
    playing[scenario].result(timeout=300)
