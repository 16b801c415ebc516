"""Sends remote control over the event bus: ``celery inspect``, ``celery control``, Flower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.app.control import Control as CeleryControl
from kombu.messaging import Producer
from kombu.pidbox import Mailbox as KombuMailbox

from damage_tasks.errors import EventBusMissing
from damage_tasks.event_bus.connection import NO_BUS_MESSAGE, bus_connection, bus_url, open_channel


class SingleTryProducer(Producer):
    """Publishes once: kombu's mailbox would retry forever while the bus is unavailable."""

    def publish(self, *args: Any, **kwargs: Any) -> Any:
        return super().publish(*args, **{**kwargs, "retry": False})


class Mailbox(KombuMailbox):
    """Sends commands with a producer on the bus; the default mailbox would send them to SQS."""

    @contextmanager
    def producer_or_acquire(self, producer: Any = None, channel: Any = None) -> Iterator[Any]:
        yield producer or SingleTryProducer(channel, auto_declare=False)


class Control(CeleryControl):
    """``app.control`` of the application; raises `EventBusMissing` without a bus."""

    Mailbox = Mailbox

    def _after_fork(self) -> None:
        """Nothing to reset: there is no pool of producers."""

    def broadcast(self, command: str, arguments: Any = None, destination: Any = None,
                  connection: Any = None, *args: Any, channel: Any = None,
                  **kwargs: Any) -> Any:  # fmt: skip
        if not bus_url():
            raise EventBusMissing(NO_BUS_MESSAGE)
        if channel is not None:
            return super().broadcast(command, arguments, destination, connection, *args,
                                     channel=channel, **kwargs)  # fmt: skip
        bus = bus_connection()
        with open_channel(bus):
            return super().broadcast(command, arguments, destination, bus, *args, **kwargs)
