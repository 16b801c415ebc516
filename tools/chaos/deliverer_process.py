"""Ends the deliverer of events again and again, and restarts it like Kubernetes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

from damage_tasks.devstack import Stack
from damage_tasks.devstack.child_processes import Child
from damage_tasks.devstack.event_deliverer import READY
from damage_tasks.errors import StackError
from tools.chaos.fault_plan import DELIVERER_KILLED, Fault

GRACE_PERIOD_SECONDS = 45.0  # the chart's terminationGracePeriodSeconds
START_TIMEOUT_SECONDS = 120.0
MIN_LIFE_SECONDS = 2.0  # in which it delivers something


@dataclass
class DelivererProcess:
    """The deliverer of ``stack``."""

    stack: Stack
    deaths: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def start(self, faults: Callable[[], None]) -> None:
        """Call ``faults``, which calls `harm`, in a thread that lives until `stop`."""
        self._calm, self._stopped = Event(), Event()
        # Linux would end the deliverer together with the thread that started it.
        self._keeper = Thread(target=self._run, args=(faults,), name="deliverer", daemon=True)
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
        deliverer = self._deliverer
        self._check()
        if fault.what == DELIVERER_KILLED:
            deliverer.kill()
        else:
            self._terminate(deliverer)
        self.deaths[fault.what] += 1
        starts = self._starts()
        deliverer.start_again()
        end = time.monotonic() + START_TIMEOUT_SECONDS
        while self._starts() == starts and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(MIN_LIFE_SECONDS)

    @property
    def _deliverer(self) -> Child:
        assert self.stack.deliverer
        return self.stack.deliverer

    def _run(self, faults: Callable[[], None]) -> None:
        try:
            faults()
        finally:
            self._calm.set()
        self._stopped.wait()

    def _check(self) -> None:
        try:
            self._deliverer.check()
        except StackError as error:
            self.problems.append(str(error))

    def _terminate(self, deliverer: Child) -> None:
        began = time.monotonic()
        deliverer.terminate()
        deliverer.wait(GRACE_PERIOD_SECONDS)
        if time.monotonic() - began >= GRACE_PERIOD_SECONDS:
            self.problems.append(f"the deliverer has not ended in {GRACE_PERIOD_SECONDS:.0f} s")

    def _starts(self) -> int:
        return self._deliverer.log.read_text(errors="replace").count(READY)
