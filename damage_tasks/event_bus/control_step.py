"""Executes remote control in the worker: a thread listens on the event bus."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery import bootsteps
from celery.utils.collections import AttributeDict
from celery.worker import control as worker_control
from kombu.log import get_logger

from damage_tasks.event_bus.connection import (
    MAX_RECONNECT_SECONDS,
    SENDER,
    bus_connection,
    bus_url,
    open_channel,
)
from damage_tasks.event_bus.guarded_commands import COMMANDS
from damage_tasks.event_bus.reconnection import keep_connected
from damage_tasks.event_bus.remote_control import SingleTryProducer
from damage_tasks.telemetry import redact, redacted

logger = get_logger(__name__)


class ControlStep(bootsteps.StartStopStep):
    """Remote control in the worker: a thread listens on the bus, the main loop executes."""

    name = "BusControl"
    requires = ("damage_tasks.sqs.visibility:VisibilityKeeper",)

    def include_if(self, consumer: Any) -> bool:
        if bus_url() and consumer.app.conf.worker_enable_remote_control:
            return True
        logger.info("no event bus (DAMAGE_EVENT_BUS_URL): no remote control, no events for Flower")
        return False

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._stopped = threading.Event()

    def start(self, consumer: Any) -> None:
        mailbox = consumer.app.control.mailbox
        node = mailbox.Node(
            consumer.hostname,
            handlers={**worker_control.Panel.data, **COMMANDS},
            state=AttributeDict(
                app=consumer.app, hostname=consumer.hostname, consumer=consumer, tset=set
            ),
        )

        def reply(data: Any, exchange: str, routing_key: str, ticket: str, **_: Any) -> None:
            data = redacted(data)
            SENDER.submit(
                lambda bus: mailbox._publish_reply(
                    data, exchange, routing_key, ticket, channel=bus.channel,
                    producer=SingleTryProducer(bus.channel, auto_declare=False),
                    serializer=mailbox.serializer,
                )
            )  # fmt: skip

        node.reply = reply
        self._stopped = threading.Event()
        threading.Thread(
            target=self._listen,
            args=(consumer, node, self._stopped),
            name="bus-control",
            daemon=True,
        ).start()

    def stop(self, consumer: Any) -> None:
        self._stopped.set()

    shutdown = stop

    def _listen(self, consumer: Any, node: Any, stopped: threading.Event) -> None:
        # Commands touch the pool and the consumer, which belong to the main loop.
        def hand_over(body: Any, message: Any) -> None:
            consumer.call_soon(_execute, consumer, node, body, message)

        def listen(connected: Callable[[], None]) -> None:
            bus = bus_connection()
            with (
                open_channel(bus) as channel,
                node.Consumer(channel=channel, callbacks=[hand_over]),
            ):
                logger.info("remote control is listening on %s", bus.as_uri())
                connected()
                while not stopped.is_set():
                    with suppress(TimeoutError):
                        bus.drain_events(timeout=1.0)

        keep_connected(
            listen, stopped, name="remote control", max_wait_seconds=MAX_RECONNECT_SECONDS
        )


def _execute(consumer: Any, node: Any, body: Any, message: Any) -> None:
    consumer.app.clock.forward()
    try:
        node.handle_message(body, message)
    except KeyError as error:
        logger.error("unknown control command: %s", error)
    except Exception as error:  # WorkerShutdown is a SystemExit and propagates
        logger.exception("control command failed: %s", redact(repr(error)))
