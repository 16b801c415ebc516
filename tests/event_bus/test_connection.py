"""A lost event bus leaves nothing open in the process that listens on it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.messaging import Consumer

from damage_tasks.app import app
from damage_tasks.devstack.bus_and_flower import Bus
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.event_bus.connection import Receiver, Sender, bus_connection, open_channel
from damage_tasks.event_bus.forgotten_photos import ForgottenPhotos

QUEUE = Queue("listener", Exchange("announcements", type="fanout"), auto_delete=True)


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    """The event bus of the settings."""
    bus = Bus(tmp_path / "bus.log", free_port())
    bus.wait()
    monkeypatch.setenv("DAMAGE_EVENT_BUS_URL", bus.url)
    yield bus
    bus.stop()


def receive_until_lost(bus: Bus, receive: Callable[[], None]) -> None:
    """Call ``receive``, which kills ``bus``, until it has done so."""
    # A busy fakeredis may close a connection before ``receive`` gets that far.
    for _ in range(5):
        with pytest.raises(Exception, match="refused|closed|reset"):
            receive()
        if bus.child.returncode is not None:
            return
    pytest.fail("the bus closed every connection before anything was received")


def restart(bus: Bus) -> None:
    """Start ``bus`` again on the same port and wait until it listens."""
    bus.child.start()
    bus.wait()


@pytest.mark.server
def test_a_channel_is_released_even_if_the_bus_is_lost(bus: Bus) -> None:
    def lose_the_bus() -> None:
        connection = bus_connection()
        with (
            open_channel(connection) as channel,
            Consumer(channel, [QUEUE], callbacks=[lambda *_: None]),
        ):
            bus.child.kill()
            while True:
                connection.drain_events(timeout=5)

    descriptors = []
    for _ in range(4):
        receive_until_lost(bus, lose_the_bus)
        gc.collect()
        descriptors.append(psutil.Process().num_fds())
        restart(bus)
    assert max(descriptors) <= descriptors[0]


@pytest.mark.server
@pytest.mark.usefixtures("no_garbage_collection")
def test_a_receiver_of_events_closes_its_descriptors_without_garbage_collection(
    bus: Bus,
) -> None:
    def receive() -> None:
        receiver = Receiver(None, app=app)
        receiver.on_consume_ready = lambda *_, **__: bus.child.kill()
        with receiver.connection:
            receiver.capture()

    def lose_the_bus() -> None:
        receive_until_lost(bus, receive)
        with pytest.raises(OperationalError):
            app.control.enable_events()

    lose_the_bus()
    gc.collect()
    descriptors = psutil.Process().num_fds()
    for _ in range(2):
        restart(bus)
        lose_the_bus()
    assert psutil.Process().num_fds() <= descriptors


@pytest.mark.usefixtures("no_garbage_collection")
def test_an_event_that_cannot_be_sent_leaves_no_descriptors_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAMAGE_EVENT_BUS_URL", f"redis://127.0.0.1:{free_port()}/0")

    def fail_to_send() -> None:
        sender = Sender()
        sender.submit(lambda _: None)
        sender.drain(10)
        assert (sender.sent, sender.dropped) == (0, 1)

    fail_to_send()
    descriptors = psutil.Process().num_fds()
    fail_to_send()
    assert psutil.Process().num_fds() == descriptors


@pytest.mark.usefixtures("no_garbage_collection")
def test_an_announcement_that_cannot_be_sent_leaves_no_descriptors_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAMAGE_EVENT_BUS_URL", f"redis://127.0.0.1:{free_port()}/0")

    def fail_to_announce() -> None:
        forgotten = ForgottenPhotos()
        forgotten.announce(["id"])
        assert "refused" in forgotten.problem

    fail_to_announce()
    descriptors = psutil.Process().num_fds()
    fail_to_announce()
    assert psutil.Process().num_fds() == descriptors
