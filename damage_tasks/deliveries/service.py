"""The process that delivers events: its logs, heartbeat and metrics around the loop."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from damage_tasks.deliveries.deliverer import Deliverer
from damage_tasks.deliveries.delivery_metrics import DeliveryMetrics
from damage_tasks.deliveries.senders import Senders
from damage_tasks.results.delivery_queue import DeliveryQueue
from damage_tasks.telemetry import configure_logging

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

    from damage_tasks.settings import Settings

logger = logging.getLogger(__name__)

READY = "delivering events"


def deliver(settings: Settings, stopping: Event) -> None:
    """Deliver events until ``stopping`` is set.

    Raises `SettingsError`, or `DatabaseError` if the database has no such tables.
    """
    configure_logging(settings.log_level, settings.log_format)
    senders = Senders(settings)
    queue = DeliveryQueue(settings.require("database_url"))
    heartbeat = _Heartbeat(settings.heartbeat_file, settings.heartbeat_limit)
    metrics = DeliveryMetrics(queue.backlog)
    if settings.metrics_port:
        metrics.serve(settings.metrics_port)
    logger.info(READY, extra={"targets": len(settings.event_targets)})
    deliverer = Deliverer(queue, senders, settings, ended=metrics.ended, beat=heartbeat.beat)
    try:
        deliverer.run(stopping)
    finally:
        queue.close()
    logger.info("stopped delivering events")


class _Heartbeat:
    """Writes the file that `damage-probe live` reads: the time, and for how long it is good."""

    def __init__(self, file: Path, limit: int) -> None:
        self._file = file
        self._limit = limit

    def beat(self) -> None:
        with suppress(OSError):  # a full disk must not end the process
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(f"{int(time.time())} {self._limit}\n")
