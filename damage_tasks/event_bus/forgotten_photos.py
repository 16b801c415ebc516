"""Announces erased photos on the event bus, so that Flower removes them from its history."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from celery.events.event import Event, get_exchange
from kombu.exceptions import KombuError
from kombu.messaging import Producer

from damage_tasks.event_bus.connection import NO_BUS_MESSAGE, bus_connection, bus_url, open_channel
from damage_tasks.telemetry import redact

if TYPE_CHECKING:
    from kombu.connection import Connection

FORGOTTEN = "photos-forgotten"  # the type of the event, whose `ids` are those of inspections


class ForgottenPhotos:
    """Announces the inspections that are erased; ``problem`` is why that failed, if it did."""

    def __init__(self) -> None:
        self.problem = "" if bus_url() else NO_BUS_MESSAGE

    def announce(self, ids: Sequence[str]) -> None:
        """Announce the inspections ``ids``; never raises, and does nothing after a problem."""
        if self.problem:
            return
        connection = bus_connection()
        try:
            with open_channel(connection):
                _publish(connection, ids)
        except (KombuError, OSError, *connection.connection_errors) as error:
            self.problem = redact(str(error) or type(error).__name__)


def _publish(connection: Connection, ids: Sequence[str]) -> None:
    exchange = get_exchange(connection)
    exchange.type = "fanout"  # as `damage_tasks.event_bus.connection.Dispatcher` declares it
    Producer(connection, auto_declare=False).publish(
        Event(FORGOTTEN, ids=list(ids), hostname=socket.gethostname()),
        exchange=exchange.name,
        routing_key=FORGOTTEN.replace("-", "."),
        declare=[exchange],
        serializer="json",
        delivery_mode=1,
        retry=False,
    )
