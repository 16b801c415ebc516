"""Starts Flower for an application on SQS: events from the bus, Broker tab from SQS.

Written for Flower 2.2, whose own entry point is ``flower.command.flower``.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from damage_tasks.errors import EventBusMissing, ExtraMissing
from damage_tasks.event_bus.connection import NO_BUS_MESSAGE, bus_url, check_bus
from damage_tasks.flower.access import claim_database, refuse_open_access
from damage_tasks.flower.lost_workers import keep_forgetting_lost_workers
from damage_tasks.flower.photo_description import describe_photo
from damage_tasks.settings import Settings, get_settings
from damage_tasks.sqs.dead_letter_alerts import sends_dead_letter_alerts, start_dead_letter_alerts
from damage_tasks.sqs.queue_depth import QueueDepth, queue_depths
from damage_tasks.telemetry.slack import open_slack

logger = logging.getLogger(__name__)

DEFAULT_OPTIONS = {
    "address": "127.0.0.1",
    "persistent": True,
    "db": "var/flower",
    "state_save_interval": 30_000,  # milliseconds
    "max_tasks": 20_000,
    # Workers on spot nodes would otherwise stay in the list after they are gone.
    "purge_offline_workers": 3600,
    # As many as fit a screen 1280 pixels wide; the page of a photo shows everything.
    "tasks_columns": "uuid,state,verdict,reason,photo,received,runtime",
    "format_task": describe_photo,
}


def serve(arguments: Iterable[str]) -> None:
    """Run Flower until it is terminated.

    ``arguments`` are Flower's own options.  Raises `EventBusMissing`, `ExtraMissing`,
    `FlowerOpen` when it would listen beyond loopback without authentication, or
    `FlowerDatabaseInUse`.
    """
    if not bus_url():
        raise EventBusMissing(NO_BUS_MESSAGE)
    check_bus()
    try:
        from flower import command
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"Flower needs {error.name}: pip install 'damage-tasks[flower]'"
        ) from None
    options = command.options
    for name, value in DEFAULT_OPTIONS.items():
        setattr(options, name, value)
    command.apply_env_options()
    # Tornado expects a program name and, without arguments, would use sys.argv.
    command.apply_options("damage-tasks flower", list(arguments))
    refuse_open_access(options)
    command.extract_settings()
    command.setup_logging()
    lock = claim_database(Path(options.db)) if options.persistent else contextlib.nullcontext()

    application = _application(command, options)
    atexit.register(application.stop)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = application.start_http_server()
    logger.info("Visit me at http://%s:%s", options.address, port)
    with lock, contextlib.suppress(KeyboardInterrupt, SystemExit):
        application.start()


def _application(command: Any, options: Any) -> Any:
    from flower.urls import handlers
    from tornado.ioloop import IOLoop

    from damage_tasks.app import app
    from damage_tasks.flower.photo_pages import add_photo_columns, with_photo_pages
    from damage_tasks.flower.sqs_flower import (
        BusEvents,
        SqsFlower,
        refuse_other_sites,
        show_queues,
    )

    settings = get_settings()
    depths = queue_depths(settings)
    _watch_queues(depths, settings, Path(f"{options.db}.dead-letters"))
    handlers[:] = with_photo_pages(handlers)
    add_photo_columns()
    refuse_other_sites()
    show_queues(list(depths.values()))
    loop = IOLoop.instance()
    events = BusEvents(
        app,
        io_loop=loop,
        db=options.db,
        persistent=options.persistent,
        state_save_interval=options.state_save_interval,
        enable_events=options.enable_events,
        max_workers_in_memory=options.max_workers,
        max_tasks_in_memory=options.max_tasks,
    )
    application = SqsFlower(
        capp=app, options=options, events=events, io_loop=loop, **command.settings
    )
    keep_forgetting_lost_workers(application)
    return application


def _watch_queues(depths: dict[str, QueueDepth], settings: Settings, memory: Path) -> None:
    """Expose the queues' figures even while no worker is running, and alert of dead letters."""
    from prometheus_client import REGISTRY

    from damage_tasks.telemetry.live_metrics import LiveMetrics

    REGISTRY.register(
        LiveMetrics(lambda: {"queues": {name: each.counts() for name, each in depths.items()}})
    )
    slack = open_slack(settings, "Flower")
    if slack is not None and sends_dead_letter_alerts("flower"):
        slack.start()
        start_dead_letter_alerts(depths, slack, memory)
