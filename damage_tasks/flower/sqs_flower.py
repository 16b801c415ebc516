"""Flower's application, events and Broker tab, without a connection to SQS as its broker.

Imports Flower, an optional extra.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import tornado.web
from flower.app import Flower
from flower.events import Events
from flower.views import BaseHandler

from damage_tasks.event_bus.connection import bus_connection
from damage_tasks.event_bus.forgotten_photos import FORGOTTEN
from damage_tasks.event_bus.reconnection import keep_connected
from damage_tasks.flower.access import is_own_host
from damage_tasks.http_access import is_from_other_site
from damage_tasks.settings import get_settings
from damage_tasks.sqs.queue_depth import QueueCounts, QueueDepth

logger = logging.getLogger(__name__)

MAX_RECONNECT_SECONDS = 5.0  # between attempts to reconnect


class SqsFlower(Flower):
    """Flower's application; requests for other hosts are refused."""

    @property
    def broker_uri(self) -> str:
        queues = ", ".join(get_settings().queue_urls.values())
        return f"{queues} (events: {bus_connection().as_uri()})"

    @property
    def workers_online(self) -> int:
        """The number of workers whose heartbeats arrive."""
        return sum(worker.alive for worker in self.events.state.workers.values())

    def find_handler(self, request: Any, **kwargs: Any) -> Any:
        if is_own_host(request.host_name, self.options, get_settings().flower_url):
            return super().find_handler(request, **kwargs)
        return self.get_handler_delegate(request, tornado.web.ErrorHandler, {"status_code": 403})


class BusEvents(Events):
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

        def on_connection_revived() -> None:
            logger.info("receiving events from %s", receiver.connection.as_uri())
            connected()

        receiver.on_connection_revived = on_connection_revived
        with receiver.connection:
            receiver.capture(limit=None, timeout=None, wakeup=True)

    def on_event(self, event: dict[str, Any]) -> None:
        if event["type"] == FORGOTTEN:
            self.io_loop.add_callback(self._forget, event["ids"])
        else:
            super().on_event(event)

    def _forget(self, ids: list[str]) -> None:
        """Remove photos from the history, also from its file."""
        state = self.state
        for id in set(ids) & state.tasks.keys():
            task = state.tasks.pop(id)
            state.search_engine.remove(id)
            # Tasks are in reference cycles, so these weak sets would keep them for a while.
            for tasks in (*state.tasks_by_type.values(), *state.tasks_by_worker.values()):
                tasks.discard(task)
        state.rebuild_taskheap()
        if self.persistent:
            self.save_state()

    def save_state(self) -> None:
        try:
            super().save_state()
            self.is_unsaved = False
        except OSError as error:
            if not self.is_unsaved:
                logger.warning("a restart will lose the history: %s: %s", self.db, error)
            self.is_unsaved = True


class BrokerQueues:
    """Implements Flower's broker: rows of its Broker tab and of ``/api/queues/length``."""

    def __init__(self, depths: list[QueueDepth], consumers: Any) -> None:
        self._depths = depths
        self._consumers = consumers

    async def queues(self, names: Any) -> list[dict[str, Any]]:
        """Our queues and their dead-letter queues, whatever ``names`` are; none without SQS."""
        loop = asyncio.get_running_loop()
        found = [await loop.run_in_executor(None, depth.counts) for depth in self._depths]
        return [row for counts in found if counts is not None for row in self._rows(counts)]

    def _rows(self, counts: QueueCounts) -> list[dict[str, Any]]:
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


def show_queues(depths: list[QueueDepth]) -> None:
    """Fill Flower's Broker tab with the counts of ``depths``."""
    BaseHandler.get_broker = lambda handler: BrokerQueues(
        depths, lambda: handler.application.workers_online
    )


def refuse_other_sites() -> None:
    """Reject other sites' pages, which could send commands and read responses without a login."""
    stock_check = BaseHandler.check_xsrf_cookie

    def check(handler: Any) -> None:
        if is_from_other_site(handler.request.headers, handler.request.host):
            raise tornado.web.HTTPError(403, "Cross-site request forbidden")
        stock_check(handler)

    BaseHandler.check_xsrf_cookie = check
    BaseHandler.set_default_headers = lambda handler: handler.set_header(
        "X-Content-Type-Options", "nosniff"
    )
