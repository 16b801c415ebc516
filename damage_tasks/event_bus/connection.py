"""The event bus: Celery's events on a second connection, separate from SQS.

SQS has no fanout, so it can carry neither events nor remote control
(mher/flower#687).  They go over Redis instead, or any other kombu transport with
fanout.  One daemon thread sends everything from a bounded queue: while the bus is
unavailable, events are dropped and counted, and photos are processed at full speed.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher
from celery.events.receiver import EventReceiver
from kombu.connection import Connection
from kombu.log import get_logger
from kombu.messaging import Producer

from damage_tasks.errors import SettingsError
from damage_tasks.event_bus.reconnection import Backoff
from damage_tasks.settings import get_settings
from damage_tasks.telemetry import redact, redacted

logger = get_logger(__name__)

NO_BUS_MESSAGE = "set DAMAGE_EVENT_BUS_URL: SQS carries neither events nor remote control"
MAX_WAITING_EVENTS = 5000  # maximum number of messages waiting for the bus
MAX_RECONNECT_SECONDS = 30.0  # between attempts to reconnect
CLOSE_TIMEOUT_SECONDS = 1.0  # a stopping worker waits this long to send its last events

_REDIS = {
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "socket_keepalive": True,
    # If the bus's machine disappears, no error arrives: probe after 20 s, give up after 35 s.
    "socket_keepalive_options": {
        getattr(socket, name): value
        for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    },
    "health_check_interval": 25,
    "retry_on_timeout": False,
}
# Without these, kombu would try forever to reach an unavailable bus.
_IMPATIENT = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}


def bus_url() -> str | None:
    """The event bus's URL, or None if none is configured."""
    return get_settings().event_bus_url or None


def check_bus() -> None:
    """Raise `SettingsError` when DAMAGE_EVENT_BUS_URL names a transport without fanout."""
    if not bus_url():
        return
    try:
        transport = bus_connection().get_transport_cls()
    except (KeyError, ImportError, ValueError) as error:
        raise SettingsError(f"DAMAGE_EVENT_BUS_URL: {redact(str(error))}") from None
    if "fanout" not in transport.implements.exchange_type:
        raise SettingsError(
            f"DAMAGE_EVENT_BUS_URL: {transport.driver_name} has no fanout; use redis:// or amqp://"
        )


def bus_connection() -> Connection:
    """A new connection to the event bus, not yet opened.

    Every operation on it raises within seconds if the bus is unavailable.
    """
    url = bus_url()
    assert url, "no event bus is configured"
    options: dict[str, Any] = dict(_IMPATIENT)
    if _is_redis(url):
        options.update(_REDIS)
    return Connection(url, transport_options=options, connect_timeout=2)


def _is_redis(url: str | None) -> bool:
    return url is not None and url.startswith(("redis", "sentinel"))


@contextmanager
def open_channel(bus: Connection) -> Iterator[Any]:
    """Open ``bus`` and yield its channel; both are closed afterwards, even if the bus is lost."""
    with bus:
        try:
            yield bus.default_channel
        finally:
            _close_descriptors(bus)


def _close_descriptors(bus: Connection) -> None:
    # If the bus is lost, kombu's `Channel.close` raises before it does this. redis-py's
    # exceptions are in reference cycles, which would keep the descriptors open.
    if bus.transport.driver_type == "redis":
        for channel in bus.transport.channels:
            channel.qos.restore_unacked_once()
            channel.pool.disconnect()
            channel.async_pool.disconnect()
        bus.transport.cycle.poller.close()


class Sender:
    """Sends on the bus from one daemon thread per process; `submit` never blocks."""

    def __init__(self, held: int = MAX_WAITING_EVENTS) -> None:
        self._queue: queue.Queue[Callable[[Producer], None]] = queue.Queue(held)
        self._start_lock = threading.Lock()
        self._pid: int | None = None
        self.sent = 0
        self.dropped = 0

    def submit(self, send: Callable[[Producer], None]) -> None:
        """Have ``send`` called with a producer on the bus; dropped if the bus is unavailable."""
        if self._pid != os.getpid():
            self._start()
        try:
            self._queue.put_nowait(send)
        except queue.Full:
            self.dropped += 1

    def drain(self, timeout: float) -> None:
        """Wait until everything submitted is sent or dropped, at most ``timeout`` seconds."""
        end = time.monotonic() + timeout
        while self._pid == os.getpid() and self._queue.unfinished_tasks:
            if time.monotonic() > end:
                return
            time.sleep(0.02)

    def _start(self) -> None:
        with self._start_lock:
            if self._pid == os.getpid():
                return
            # Messages queued before the fork are sent by the parent.
            self._queue = queue.Queue(self._queue.maxsize)
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="bus-sender", daemon=True).start()

    def _run(self) -> None:
        connection: Connection | None = None
        producer: Producer | None = None
        backoff = Backoff(MAX_RECONNECT_SECONDS)
        closed_until, lost = 0.0, 0
        while True:
            send = self._queue.get()
            try:
                if time.monotonic() < closed_until:
                    self.dropped += 1
                    continue
                if producer is None:
                    connection = bus_connection()
                    connection.connect()
                    producer = Producer(connection, auto_declare=False)
                send(producer)
                self.sent += 1
                if closed_until:
                    logger.warning("event bus is back; %d events dropped", self.dropped - lost)
                    closed_until, lost = 0.0, self.dropped
                    backoff.reset()
            except Exception as error:
                self.dropped += 1
                if not closed_until:
                    logger.warning(
                        "event bus is unavailable: dropping events, still processing photos: %s",
                        redact(str(error)),
                    )
                _close(connection)
                connection = producer = None
                closed_until = time.monotonic() + backoff.next_wait()
            finally:
                self._queue.task_done()


SENDER = Sender()


class Dispatcher(EventDispatcher):
    """Sends a worker's events to the bus; does nothing if none is configured."""

    def __init__(self, connection: Any = None, hostname: Any = None, enabled: bool = True,
                 *args: Any, **kwargs: Any) -> None:  # fmt: skip
        super().__init__(connection, hostname, enabled and bool(bus_url()), *args, **kwargs)
        # Celery uses fanout for Redis only and a topic exchange elsewhere.
        self.exchange.type = "fanout"

    def enable(self) -> None:
        # Celery's method would open a producer on SQS.
        with self.mutex:
            self._closed = False
            self.enabled = bool(bus_url())
        if self.enabled:
            for callback in self.on_enabled:
                callback()

    def _publish(self, event: Any, producer: Any, routing_key: str, **_: Any) -> None:
        if not bus_url():
            return
        exchange, serializer, headers = self.exchange, self.serializer, self.headers
        # Arguments, results and tracebacks contain signed URLs.
        event = redacted(event)

        def send(bus: Producer) -> None:
            bus.publish(
                event,
                routing_key=routing_key,
                exchange=exchange.name,
                declare=[exchange],
                serializer=serializer,
                headers=headers,
                delivery_mode=1,
                retry=False,
            )

        SENDER.submit(send)

    def close(self) -> None:
        super().close()
        SENDER.drain(CLOSE_TIMEOUT_SECONDS)


class Receiver(EventReceiver):
    """Receives events from the bus, whichever connection it is given."""

    def __init__(self, channel: Any, *args: Any, **kwargs: Any) -> None:
        self._bus = bus_connection() if bus_url() else None
        super().__init__(None if self._bus else channel, *args, **kwargs)
        self.exchange.type = "fanout"
        self.queue.exchange.type = "fanout"

    @property
    def connection(self) -> Any:
        """The connection whose clone receives; it is not opened itself."""
        return self._bus or super().connection

    @contextmanager
    def establish_connection(self) -> Iterator[Connection]:
        connection = self.create_connection()
        with open_channel(connection):
            yield connection


class Events(CeleryEvents):
    """``app.events`` of the application."""

    receiver_cls = "damage_tasks.event_bus.connection:Receiver"
    dispatcher_cls = "damage_tasks.event_bus.connection:Dispatcher"


def _close(connection: Connection | None) -> None:
    if connection is not None:
        try:
            _close_descriptors(connection)
            connection.collect(socket_timeout=1)
        except Exception as error:
            logger.debug("closing the connection to the event bus: %s", error)
