"""Runs several workers, replaces them when they end like Kubernetes, and checks why they ended."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

import psutil

from damage_tasks.devstack import Stack
from damage_tasks.devstack.child_processes import Child
from tools.chaos.fault_plan import PROCESS_KILLED, WORKER_KILLED, WORKER_TERMINATED, Fault

CHECK_INTERVAL_SECONDS = 0.2
READY = "worker is ready"
NOT_OURS = "not ours"


@dataclass
class Workers:
    """Keeps ``count`` workers of ``stack`` running until `stop`."""

    stack: Stack
    count: int
    grace: float
    deaths: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    drains: list[float] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)

    def start(self) -> None:
        """Start them, and the thread that replaces them."""
        self._ours: dict[int, tuple[str, float]] = {}
        self._running = [self.stack.start_worker() for _ in range(self.count)]
        for worker in self._running:
            worker.wait_for(READY, timeout=180)
        self._lock, self._stopped = Lock(), Event()
        self._closing = False
        self._buried: set[int] = set()
        self._keeper = Thread(target=self._keep, name="workers", daemon=True)
        self._keeper.start()

    def harm(self, fault: Fault) -> None:
        """Kill or terminate the victim that ``fault`` selects."""
        with self._lock:
            worker = self._running[int(fault.choice * len(self._running))]
            if worker.pid in self._ours or READY not in worker.log.read_text(errors="replace"):
                return  # an earlier fault has not passed yet
            if fault.what == PROCESS_KILLED:
                self._kill_process(worker)
                return
            self._ours[worker.pid] = (fault.what, time.monotonic())
            worker.kill() if fault.what == WORKER_KILLED else worker.terminate()

    def stop(self) -> None:
        """Terminate all of them without replacement, as in a scale-down."""
        with self._lock:
            self._closing = True
            for worker in self._running:
                self._ours.setdefault(worker.pid, (WORKER_TERMINATED, time.monotonic()))
                worker.terminate()
        end = time.monotonic() + self.grace
        while any(w.returncode is None for w in self._running) and time.monotonic() < end:
            time.sleep(CHECK_INTERVAL_SECONDS)
        self._stopped.set()
        self._keeper.join()
        for worker in self._running:
            worker.kill()

    def _kill_process(self, worker: Child) -> None:
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(worker.pid).children()
            # Prefer a process that is examining a photo over an idle one.
            busy = max(children, key=lambda child: child.cpu_percent(0.1), default=None)
            if busy is not None:
                self.killed.add(busy.pid)
                self.deaths[PROCESS_KILLED] += 1
                os.kill(busy.pid, signal.SIGKILL)

    def _keep(self) -> None:
        while not self._stopped.wait(CHECK_INTERVAL_SECONDS):
            with self._lock:
                for slot, worker in enumerate(self._running):
                    self._look(slot, worker)
        for worker in self._running:
            self._bury(worker)

    def _look(self, slot: int, worker: Child) -> None:
        if worker.returncode is None:
            cause, since = self._ours.get(worker.pid, ("", 0.0))
            if cause == WORKER_TERMINATED and time.monotonic() - since > self.grace:
                self.problems.append(f"{worker.name} has not drained in {self.grace:.0f} s")
                # Celery responds by writing all threads' stacks to its log.
                os.kill(worker.pid, signal.SIGUSR1)
                time.sleep(2)
                worker.kill()
            return
        if self._bury(worker) and not self._closing:
            self._running[slot] = self.stack.start_worker()

    def _bury(self, worker: Child) -> bool:
        if worker.returncode is None or worker.pid in self._buried:
            return False
        self._buried.add(worker.pid)
        cause, since = self._ours.get(worker.pid, (NOT_OURS, 0.0))
        if cause == WORKER_TERMINATED:
            self.drains.append(time.monotonic() - since)
            if worker.returncode not in (0, -signal.SIGKILL):
                self.problems.append(f"{worker.name} drained with status {worker.returncode}")
        if cause == NOT_OURS:
            self.problems.append(f"{worker.name} ended with {worker.returncode}: {worker.log}")
        self.deaths[cause] += 1
        return True


def lost_processes(logs: Path) -> Iterator[tuple[str, str]]:
    """Photo and exit status of each process lost while examining, from the workers' logs."""
    for log in logs.glob("worker-*.log"):
        for line in log.read_text(errors="replace").splitlines():
            with suppress(ValueError, TypeError):
                record = json.loads(line)
                if record["event"] == "photo lost its process":
                    yield record["task_id"], record["status"]
