"""Compares inspections with earlier photos in the background, one after the other."""

from __future__ import annotations

import logging
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from threading import Event, Lock
from typing import TYPE_CHECKING

from damage_tasks.errors import DamageTaskError

if TYPE_CHECKING:
    from damage_tasks.car_history.history import CarHistory
    from damage_tasks.damage_history import InspectionHistory
    from damage_tasks.inspection import Inspection

MAX_WAITING = 20
REMEMBERED = 200

logger = logging.getLogger(__name__)


class Progress(StrEnum):
    """How far the comparison of an inspection is."""

    RUNNING = "running"  # or waiting for others
    ENDED = "ended"
    FAILED = "failed"
    REFUSED = "refused"  # too many others are waiting


class BackgroundComparisons:
    """One thread that compares inspections; what it finds is stored by `CarHistory`."""

    def __init__(self, history: CarHistory) -> None:
        self._history = history
        self._thread = ThreadPoolExecutor(1, "car-history")
        self._stopped = Event()
        self._lock = Lock()
        self._futures: OrderedDict[str, Future[InspectionHistory | None]] = OrderedDict()

    def begin(self, inspection: Inspection) -> None:
        """Compare ``inspection`` soon, unless that is going on or too many others are waiting."""
        with self._lock:
            if self._is_running(inspection.id):
                return
            self._futures.pop(inspection.id, None)
            waiting = sum(not future.done() for future in self._futures.values())
            if waiting >= MAX_WAITING or self._stopped.is_set():
                return
            self._futures[inspection.id] = self._thread.submit(self._compare, inspection)
            while len(self._futures) > REMEMBERED:
                self._futures.popitem(last=False)

    def progress(self, inspection_id: str) -> Progress:
        """How far the comparison that was begun last for this inspection is."""
        with self._lock:
            future = self._futures.get(inspection_id)
        if future is None or future.cancelled():
            return Progress.REFUSED
        if not future.done():
            return Progress.RUNNING
        return Progress.ENDED if future.result() else Progress.FAILED

    def found(self, inspection_id: str) -> InspectionHistory | None:
        """What the last comparison of this inspection found; None if it has not succeeded yet."""
        with self._lock:
            future = self._futures.get(inspection_id)
        is_over = future is not None and future.done() and not future.cancelled()
        return future.result() if future and is_over else None

    def close(self) -> None:
        """Stop after the comparison of the present pair of photos."""
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)

    def _is_running(self, inspection_id: str) -> bool:
        future = self._futures.get(inspection_id)
        return future is not None and not future.done()

    def _compare(self, inspection: Inspection) -> InspectionHistory | None:
        """What was found; None if the comparison failed."""
        try:
            return self._history.compare(inspection, is_stopped=self._stopped.is_set)
        except DamageTaskError as error:
            logger.warning("%s was not compared: %s: %s", inspection.id, error.code, error)
        except Exception:
            logger.exception("%s was not compared", inspection.id)
        return None
