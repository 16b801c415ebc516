"""Remote control over the event bus: ``celery inspect``, ``celery control``, Flower's buttons."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from celery import bootsteps
from celery.app.control import Control as CeleryControl
from celery.utils.collections import AttributeDict
from celery.worker import control as worker_control
from kombu.log import get_logger
from kombu.messaging import Producer
from kombu.pidbox import Mailbox as KombuMailbox

from damage_tasks.errors import EventBusMissing
from damage_tasks.event_bus.connection import (
    LONGEST_PAUSE,
    NO_BUS,
    SENDER,
    bus_connection,
    bus_url,
)
from damage_tasks.telemetry import redact, redacted

logger = get_logger(__name__)


class _Producer(Producer):
    """Publishes once: kombu's mailbox would try for ever while the bus is away."""

    def publish(self, *args: Any, **kwargs: Any) -> Any:
        return super().publish(*args, **{**kwargs, "retry": False})


class Mailbox(KombuMailbox):
    """Sends commands with a producer on the bus; the stock one would send them to SQS."""

    @contextmanager
    def producer_or_acquire(self, producer: Any = None, channel: Any = None) -> Iterator[Any]:
        yield producer or _Producer(channel, auto_declare=False)


class Control(CeleryControl):
    """``app.control`` of the application; raises `EventBusMissing` without a bus."""

    Mailbox = Mailbox

    def _after_fork(self) -> None:
        """Nothing to forget: there is no pool of producers."""

    def broadcast(self, command: str, arguments: Any = None, destination: Any = None,
                  connection: Any = None, *args: Any, channel: Any = None,
                  **kwargs: Any) -> Any:  # fmt: skip
        if not bus_url():
            raise EventBusMissing(NO_BUS)
        if channel is not None:
            return super().broadcast(command, arguments, destination, connection, *args,
                                     channel=channel, **kwargs)  # fmt: skip
        with bus_connection() as bus:
            return super().broadcast(command, arguments, destination, bus, *args, **kwargs)


@worker_control.control_command(args=[("n", int)], signature="[N=1]")
def pool_shrink(state: Any, n: int = 1, **_: Any) -> Any:
    """Shrink the pool by n processes; one stays, and those with a photo in hand."""
    # Celery's own ends them all, and fails having ended some without taking fewer messages.
    pool = state.consumer.pool
    spare = pool.num_processes - 1
    if not 0 < n <= spare:
        return worker_control.nok(f"of {spare + 1} processes at most {spare} may go, not {n}")
    gone = 0
    with suppress(ValueError):  # the others are busy
        while gone < n:
            pool.shrink(1)
            gone += 1
    state.consumer._update_prefetch_count(-gone)
    if gone < n:
        return worker_control.nok(f"{gone} of {n} processes go, the others are busy: try again")
    return worker_control.ok("pool will shrink")


class ControlStep(bootsteps.StartStopStep):
    """The worker's side: a thread listens on the bus, the main loop executes."""

    name = "BusControl"
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def include_if(self, consumer: Any) -> bool:
        if bus_url() and consumer.app.conf.worker_enable_remote_control:
            return True
        logger.info("no event bus (DAMAGE_EVENT_BUS_URL): no remote control, nothing in Flower")
        return False

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._stopped = threading.Event()

    def start(self, consumer: Any) -> None:
        mailbox = consumer.app.control.mailbox
        node = mailbox.Node(
            consumer.hostname,
            handlers=worker_control.Panel.data,
            state=AttributeDict(
                app=consumer.app, hostname=consumer.hostname, consumer=consumer, tset=set
            ),
        )

        def reply(data: Any, exchange: str, routing_key: str, ticket: str, **_: Any) -> None:
            data = redacted(data)
            SENDER.submit(
                lambda bus: mailbox._publish_reply(
                    data, exchange, routing_key, ticket, channel=bus.channel,
                    producer=_Producer(bus.channel, auto_declare=False),
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
        def execute(body: Any, message: Any) -> None:
            consumer.app.clock.forward()
            try:
                node.handle_message(body, message)
            except KeyError as error:
                logger.error("no such control command: %s", error)
            except Exception as error:  # WorkerShutdown is a SystemExit and goes up
                logger.error("control command failed: %s", redact(repr(error)), exc_info=True)

        # What a command touches (pool, consumer) belongs to the main loop.
        def hand_over(body: Any, message: Any) -> None:
            consumer.call_soon(execute, body, message)

        pause = 1.0
        while not stopped.is_set():
            try:
                with bus_connection() as bus:
                    bus.connect()
                    with node.Consumer(channel=bus.channel(), callbacks=[hand_over]):
                        logger.info("remote control listens on %s", bus.as_uri())
                        pause = 1.0
                        while not stopped.is_set():
                            with suppress(TimeoutError):
                                bus.drain_events(timeout=1.0)
            except Exception as error:
                if stopped.is_set():
                    return
                logger.warning(
                    "remote control lost the event bus, next try in %.0f s: %s",
                    pause,
                    redact(str(error)),
                )
                stopped.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
