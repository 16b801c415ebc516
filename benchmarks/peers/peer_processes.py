"""Starts each framework, waits until it is ready, sends photos and stops it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.machine_facts import cores
from benchmarks.peers.deployment import DEPLOYMENT, FOLDER, read_deployment
from benchmarks.process_usage import cpu_seconds, tree
from benchmarks.startup import wait_until
from benchmarks.testbed import Service
from benchmarks.throughput import MIN_WINDOW_PHOTOS
from damage_tasks.devstack import clean_environment
from damage_tasks.devstack.child_processes import Child
from damage_tasks.devstack.loopback_ports import free_port

READY_TIMEOUT_SECONDS = 300
FIRST_PHOTOS_TIMEOUT_SECONDS = 60
ENVIRONMENTS = Path("var/peers")
COMMANDS = {
    "LitServe": ("litserve", ["bin/python", "-m", "benchmarks.peers.litserve_service", "{port}"]),
    "BentoML": ("bentoml", ["bin/bentoml", "serve", "benchmarks.peers.bentoml_service:Damage",
                            "--host", "127.0.0.1", "--port", "{port}"]),
    "Ray Serve": ("ray", ["bin/python", "-m", "benchmarks.peers.ray_serve_service", "{port}"]),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that listens on ``port``, started as process ``pid``."""

    name: str
    port: int
    pid: int
    takes_lists: bool = False  # BentoML's batches do

    def inspect(self, url: str, timeout: float = 120) -> bool:
        """Have one photo inspected over a new connection; returns whether it succeeded."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            body = json.dumps({"url": [url] if self.takes_lists else url})
            headers = {"Content-Type": "application/json", "Connection": "close"}
            connection.request("POST", "/inspect", body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def version_of(name: str) -> str:
    """The installed version of the framework ``name``."""
    folder, _ = COMMANDS[name]
    program = f"import importlib.metadata as m; print(m.version({folder!r}))"
    python = (ENVIRONMENTS / folder / "bin/python").absolute()
    return subprocess.check_output([python, "-c", program], text=True).strip()


@contextmanager
def running(name: str, service: Service, deployment: str, warm_up: str) -> Iterator[Peer]:
    """The framework ``name``, ready, using the servers of ``service``.

    ``deployment`` is ``default``, ``best`` or ``batches``, one of its files.  ``warm_up`` is the
    photo sent until it is ready.
    """
    folder, command = COMMANDS[name]
    home = (ENVIRONMENTS / folder).absolute()
    port = free_port()
    log = service.stack.folder / f"{folder}-{time.time_ns()}.log"
    path = FOLDER / f"{folder}_{deployment}.toml"
    chosen = read_deployment(path)
    settings = (
        {"DAMAGE_ENGINE": "torch", "DAMAGE_THREADS": str(cores())}
        if chosen.is_eager
        else {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
    )
    child = Child(
        name,
        [str(home / command[0]), *(word.format(port=port) for word in command[1:])],
        log=log,
        environment={
            **clean_environment(),
            "PATH": f"{home}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(Path.cwd()),
            "BENTOML_DO_NOT_TRACK": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            **service.stack.environment,
            **settings,
            DEPLOYMENT: str(path),
        },
    )
    child.start()
    takes_lists = folder == "bentoml" and bool(chosen.batches)
    peer = Peer(name, port, child.pid, takes_lists)
    family: list[psutil.Process] = []
    try:
        end = time.monotonic() + READY_TIMEOUT_SECONDS
        while not peer.inspect(warm_up):
            if time.monotonic() > end or child.returncode is not None:
                raise TimeoutError(f"{name} does not answer; its log ends with:\n{_end_of(log)}")
            time.sleep(0.2)
        yield peer
    finally:
        family = tree(child.pid)
        child.terminate()
        with suppress(Exception):
            child.wait(20)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def drive(
    peer: Peer,
    service: Service,
    urls: Iterator[str],
    *,
    seconds: float,
    clients: int = 24,
    warm: int = 12,
) -> dict[str, float]:
    """Keep ``clients`` requests open for ``seconds``; photos per second and CPU ms per photo."""
    stop, lock = threading.Event(), threading.Lock()
    failed = 0

    def client() -> None:
        nonlocal failed
        while not stop.is_set():
            with lock:
                url = next(urls)
            if not peer.inspect(url):
                failed += 1

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    since = time.time()
    for thread in threads:
        thread.start()
    wait_until(lambda: service.finished(since) >= warm, 180)
    first, started, cpu = service.finished(since), time.monotonic(), cpu_seconds(peer.pid)
    time.sleep(seconds)
    wait_until(
        lambda: service.finished(since) >= first + MIN_WINDOW_PHOTOS, FIRST_PHOTOS_TIMEOUT_SECONDS
    )
    photos, elapsed = service.finished(since) - first, time.monotonic() - started
    spent = cpu_seconds(peer.pid) - cpu
    stop.set()
    for thread in threads:
        thread.join(60)
    if failed:
        raise RuntimeError(f"{peer.name} failed {failed} photos")
    return {"photos_per_second": photos / elapsed, "cpu_ms": spent * 1000 / photos}


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:]
