"""Ends a process that runs next to the workers again and again, and restarts it like Kubernetes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

from damage_tasks.devstack.child_processes import Child
from damage_tasks.errors import StackError
from tools.chaos.fault_plan import KILLED, Fault

GRACE_PERIOD_SECONDS = 45.0  # the chart's terminationGracePeriodSeconds
START_TIMEOUT_SECONDS = 120.0
RESTART_PAUSE_SECONDS = 1.0
MIN_LIFE_SECONDS = 2.0  # in which it does some of its work


@dataclass
class SingleProcess:
    """The only process of its kind, which logs ``ready`` when it works.

    ``needs_store``: it ends if what it needs is unavailable while it starts, and is started again.
    """

    child: Child
    ready: str
    needs_store: bool = False
    deaths: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def start(self, faults: Callable[[], None]) -> None:
        """Call ``faults``, which calls `harm`, in a thread that lives until `stop`."""
        self._calm, self._stopped = Event(), Event()
        # Linux would end the process together with the thread that started it.
        self._keeper = Thread(target=self._run, args=(faults,), name=self.child.name, daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """Notice if it has ended by itself, and stop the thread."""
        self._check()
        self._stopped.set()
        self._keeper.join()

    def wait_until_calm(self) -> None:
        """Wait until nothing harms it any more."""
        self._calm.wait()

    def harm(self, fault: Fault) -> None:
        """Kill or terminate it, and start it again."""
        self._check()
        if fault.what.endswith(KILLED):
            self.child.kill()
        else:
            self._terminate()
        self.deaths[fault.what] += 1
        starts = self._starts()
        self.child.start_again()
        end = time.monotonic() + START_TIMEOUT_SECONDS
        while self._starts() == starts and time.monotonic() < end:
            if self.needs_store and self.child.returncode is not None:
                time.sleep(RESTART_PAUSE_SECONDS)
                self.child.start_again()
            time.sleep(0.1)
        time.sleep(MIN_LIFE_SECONDS)

    def _run(self, faults: Callable[[], None]) -> None:
        try:
            faults()
        finally:
            self._calm.set()
        self._stopped.wait()

    def _check(self) -> None:
        try:
            self.child.check()
        except StackError as error:
            self.problems.append(str(error))

    def _terminate(self) -> None:
        began = time.monotonic()
        self.child.terminate()
        self.child.wait(GRACE_PERIOD_SECONDS)
        if time.monotonic() - began >= GRACE_PERIOD_SECONDS:
            self.problems.append(
                f"the {self.child.name} has not ended in {GRACE_PERIOD_SECONDS:.0f} s"
            )

    def _starts(self) -> int:
        return self.child.log.read_text(errors="replace").count(self.ready)
