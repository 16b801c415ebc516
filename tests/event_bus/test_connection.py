"""A lost event bus leaves nothing open in the process that listens on it."""

from __future__ import annotations

import gc
from pathlib import Path

import psutil
import pytest
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.messaging import Consumer

from damage_tasks.app import app
from damage_tasks.devstack.bus_and_flower import Bus
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.event_bus.connection import Receiver, bus_connection, open_channel

QUEUE = Queue("listener", Exchange("announcements", type="fanout"), auto_delete=True)


@pytest.mark.server
def test_a_channel_is_released_even_if_the_bus_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = Bus(tmp_path / "bus.log", free_port())
    bus.wait()
    monkeypatch.setenv("DAMAGE_EVENT_BUS_URL", bus.url)

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
        with pytest.raises(Exception, match="refused|closed|reset"):
            lose_the_bus()
        gc.collect()
        descriptors.append(psutil.Process().num_fds())
        bus.child.start_again()
        bus.child.log.write_bytes(b"")
        bus.wait()
    bus.stop()
    assert max(descriptors) <= descriptors[0]


@pytest.mark.server
def test_a_receiver_of_events_closes_its_descriptors_without_garbage_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_the_bus(number: int) -> None:
        bus = Bus(tmp_path / f"bus-{number}.log", free_port())
        bus.wait()
        monkeypatch.setenv("DAMAGE_EVENT_BUS_URL", bus.url)
        receiver = Receiver(None, app=app)
        receiver.on_consume_ready = lambda *_, **__: bus.child.kill()
        with pytest.raises(Exception, match="refused|closed|reset"), receiver.connection:
            receiver.capture()
        with pytest.raises(OperationalError):
            app.control.enable_events()
        bus.stop()

    lose_the_bus(0)
    gc.collect()
    descriptors = psutil.Process().num_fds()
    gc.disable()
    try:
        for number in (1, 2):
            lose_the_bus(number)
        assert psutil.Process().num_fds() <= descriptors
    finally:
        gc.enable()
