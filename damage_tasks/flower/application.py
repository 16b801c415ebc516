"""Flower for an application on SQS: events from the bus, Broker tab from SQS.

Written for Flower 2.2, whose own entry point is ``flower.command.flower``.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from damage_tasks.errors import EventBusMissing, ExtraMissing
from damage_tasks.event_bus.connection import NO_BUS_MESSAGE, bus_connection, bus_url, check_bus
from damage_tasks.event_bus.reconnection import keep_connected
from damage_tasks.flower.access import (
    claim_database,
    is_from_other_site,
    is_own_host,
    refuse_open_access,
)
from damage_tasks.flower.photo_pages import add_photo_pages, describe_photo
from damage_tasks.settings import get_settings
from damage_tasks.sqs.dead_letter_alerts import sends_dead_letter_alerts, start_dead_letter_alerts
from damage_tasks.sqs.queue_depth import QueueDepth
from damage_tasks.telemetry.slack import open_slack

logger = logging.getLogger(__name__)

MAX_RECONNECT_SECONDS = 5.0  # seconds between attempts to reconnect
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


class BrokerQueues:
    """Implements Flower's broker: rows of its Broker tab and of ``/api/queues/length``."""

    def __init__(self, depth: QueueDepth, consumers: Any) -> None:
        self._depth = depth
        self._consumers = consumers

    async def queues(self, names: Any) -> list[dict[str, Any]]:
        """Our queue and its dead-letter queue, whatever ``names`` are; none without SQS."""
        loop = asyncio.get_running_loop()
        counts = await loop.run_in_executor(None, self._depth.counts)
        if counts is None:
            return []
        rows: list[dict[str, Any]] = [
            {
                "name": counts.queue,
                "messages": counts.waiting + counts.in_flight + counts.delayed,
                "messages_unacknowledged": counts.in_flight,
                "messages_ready": counts.waiting,
                "consumers": self._consumers(),
            }
        ]
        if counts.dead_letter_queue:
            rows.append(
                {
                    "name": counts.dead_letter_queue,
                    "messages": counts.dead_letters,
                    "messages_unacknowledged": 0,
                    "messages_ready": counts.dead_letters,
                    "consumers": 0,
                }
            )
        return rows


def _refuse_other_sites(base_handler: Any) -> None:
    """Reject other sites' pages, which could send commands and read responses without a login."""
    import tornado.web

    stock_check = base_handler.check_xsrf_cookie

    def check(handler: Any) -> None:
        if is_from_other_site(handler.request.headers, handler.request.host):
            raise tornado.web.HTTPError(403, "Cross-site request forbidden")
        stock_check(handler)

    base_handler.check_xsrf_cookie = check
    base_handler.set_default_headers = lambda handler: handler.set_header(
        "X-Content-Type-Options", "nosniff"
    )


def _bus_events(base: Any) -> Any:
    """Flower's thread of events, on our bus."""

    class BusEvents(base):
        """Reads events from the bus; Flower's own class would use ``app.connection()``, SQS."""

        is_unsaved = False

        def run(self) -> None:
            keep_connected(
                self._receive,
                threading.Event(),  # Flower never stops this thread
                name="Flower",
                max_wait_seconds=MAX_RECONNECT_SECONDS,
            )

        def _receive(self, connected: Callable[[], None]) -> None:
            receiver = self.capp.events.Receiver(None, handlers={"*": self.on_event})
            logger.info("receiving events from %s", receiver.connection.as_uri())
            connected()
            receiver.capture(limit=None, timeout=None, wakeup=True)

        def save_state(self) -> None:
            try:
                super().save_state()
                self.is_unsaved = False
            except OSError as error:
                if not self.is_unsaved:
                    logger.warning("a restart will lose the history: %s: %s", self.db, error)
                self.is_unsaved = True

    return BusEvents


def _application(command: Any, options: Any) -> Any:
    import tornado.web
    from flower.app import Flower
    from flower.events import Events
    from flower.urls import handlers
    from flower.views import BaseHandler
    from prometheus_client import REGISTRY

    from damage_tasks.app import app
    from damage_tasks.telemetry.live_metrics import LiveMetrics

    settings = get_settings()
    depth = QueueDepth(settings.require("queue_url"), settings.region)
    # Shows the queue's figures even while no worker is running.
    REGISTRY.register(LiveMetrics(lambda: {"queue": depth.counts()}))
    slack = open_slack(settings, "Flower")
    if slack is not None and sends_dead_letter_alerts("flower"):
        slack.start()
        start_dead_letter_alerts(depth, slack, Path(f"{options.db}.dead-letters"))

    class SqsFlower(Flower):
        @property
        def broker_uri(self) -> str:
            return f"{settings.queue_url} (events: {bus_connection().as_uri()})"

        @property
        def workers_online(self) -> int:
            return sum(worker.alive for worker in self.events.state.workers.values())

        def find_handler(self, request: Any, **kwargs: Any) -> Any:
            if is_own_host(request.host_name, options, settings.flower_url):
                return super().find_handler(request, **kwargs)
            return self.get_handler_delegate(
                request, tornado.web.ErrorHandler, {"status_code": 403}
            )

    add_photo_pages(handlers)
    _refuse_other_sites(BaseHandler)
    BaseHandler.get_broker = lambda handler: BrokerQueues(
        depth, lambda: handler.application.workers_online
    )

    from tornado.ioloop import IOLoop

    loop = IOLoop.instance()
    events = _bus_events(Events)(
        app,
        io_loop=loop,
        db=options.db,
        persistent=options.persistent,
        state_save_interval=options.state_save_interval,
        enable_events=options.enable_events,
        max_workers_in_memory=options.max_workers,
        max_tasks_in_memory=options.max_tasks,
    )
    return SqsFlower(capp=app, options=options, events=events, io_loop=loop, **command.settings)
