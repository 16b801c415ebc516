"""A lost event bus leaves nothing open in the process that listens on it."""

from __future__ import annotations

import gc
from pathlib import Path

import psutil
import pytest
from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer

from damage_tasks.devstack.bus_and_flower import Bus
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.event_bus.connection import open_channel

QUEUE = Queue("listener", Exchange("announcements", type="fanout"), auto_delete=True)


@pytest.mark.server
def test_a_channel_is_released_even_if_the_bus_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = Bus(tmp_path / "bus.log", free_port())
    bus.wait()
    monkeypatch.setenv("DAMAGE_EVENT_BUS_URL", bus.url)

    def lose_the_bus() -> None:
        with (
            open_channel() as (connection, channel),
            Consumer(channel, [QUEUE], callbacks=[lambda *_: None]),
        ):
            bus.child.kill()
            while True:
                connection.drain_events(timeout=5)

    descriptors = []
    for _ in range(4):
        with pytest.raises(Exception, match="refused|closed"):
            lose_the_bus()
        gc.collect()
        descriptors.append(psutil.Process().num_fds())
        bus.child.start_again()
        bus.child.log.write_bytes(b"")
        bus.wait()
    bus.stop()
    assert max(descriptors) <= descriptors[0]
