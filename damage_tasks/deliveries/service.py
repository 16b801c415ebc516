"""The process that delivers events: its logs, heartbeat and metrics around the loop."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from damage_tasks.deliveries.deliverer import Deliverer
from damage_tasks.deliveries.delivery_metrics import DeliveryMetrics
from damage_tasks.deliveries.senders import Senders
from damage_tasks.results.delivery_queue import DeliveryQueue
from damage_tasks.telemetry import configure_logging
from damage_tasks.telemetry.heartbeat_file import HeartbeatFile

if TYPE_CHECKING:
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
    heartbeat = HeartbeatFile(settings.heartbeat_file, settings.heartbeat_limit)
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
