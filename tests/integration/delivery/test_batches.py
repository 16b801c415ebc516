"""Photos examined in one batch keep their own deliveries, verdicts and events."""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import cv2
import numpy as np
import pytest
from kombu.connection import Connection

from damage_tasks import app, detect_damage
from damage_tasks.devstack import Stack, clean_environment
from damage_tasks.devstack.bus_and_flower import Bus
from damage_tasks.devstack.child_processes import Child
from damage_tasks.devstack.loopback_ports import free_port
from tests.integration.delivery.stage import (
    EXAMINED,
    Wait,
    dead_letters,
    is_quiet,
    photo,
    wait_until,
)
from tools.loopback_web_server import Site
from tools.redrive import limit_receives

pytestmark = pytest.mark.xdist_group("delivery")
THREADS, RECEIVES = 4, 2
EXAMINATION = Counter(task_received=1, task_started=1, task_succeeded=1)

Events = dict[str, Counter[str]]


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    bus = Bus(tmp_path / "bus.log", free_port())
    bus.wait()
    yield bus
    bus.stop()


@pytest.fixture
def events(bus: Bus) -> Iterator[Events]:
    """Number of events of each type, by photo."""
    seen: Events = defaultdict(Counter)

    def count(event: dict[str, Any]) -> None:
        if "uuid" in event:
            seen[event["uuid"]][event["type"].replace("-", "_")] += 1

    connection = Connection(bus.url)
    receiver = app.events.Receiver(connection, handlers={"*": count})
    listening = Event()
    receiver.on_consume_ready = lambda *_, **__: listening.set()

    def listen() -> None:
        # Like Flower: fakeredis may close a connection before it has answered SCRIPT LOAD.
        while not receiver.should_stop:
            with suppress(*connection.connection_errors):
                receiver.capture(wakeup=False)

    thread = Thread(target=listen, daemon=True)
    thread.start()
    assert listening.wait(30)
    yield seen
    receiver.should_stop = True
    thread.join()


@pytest.fixture
def start(stack: Stack, bus: Bus) -> Callable[[], Child]:
    """Starts a worker whose threads share a device."""

    def start() -> Child:
        log = stack.folder / "threads.log"
        worker = Child(
            "worker of threads",
            [sys.executable, "-m", "celery", "-A", "tests.integration.batching_app", "worker",
             "--pool", "threads", "--concurrency", str(THREADS),
             "--without-gossip", "--without-mingle"],
            log=log,
            environment={
                **clean_environment(),
                **stack.environment,
                "THREADS": str(THREADS),
                "DAMAGE_ENGINE": "torch",
                "DAMAGE_EVENT_BUS_URL": bus.url,
                "DAMAGE_HEARTBEAT_FILE": str(log.with_suffix(".heartbeat")),
            },
        )  # fmt: skip
        worker.start()
        stack.workers.append(worker)
        return worker

    return start


def photo_after_an_error(site: Site, path: str) -> str:
    """The URL of a photo whose server fails once."""
    url = photo(site, path)
    page = site.pages[path]

    def fail(handler: Any) -> None:
        site.pages[path] = page
        handler.send_error(500)

    site.pages[path] = fail
    return url


def batches_that_failed(worker: Child) -> list[int]:
    """The size of each failed batch."""
    return [int(n) for n in re.findall(r"device fails on (\d+) photos", worker.log.read_text())]


def test_each_photo_of_a_batch_has_its_own_outcome(
    stack: Stack, site: Site, result_of: Wait, events: Events, start: Callable[[], Child]
) -> None:
    limit_receives(stack, RECEIVES)
    black = cv2.imencode(".jpg", np.zeros((240, 320, 3), np.uint8))[1].tobytes()
    urls = [photo(site, f"/batch-{number}.jpg") for number in range(5)]
    urls[1:1] = [
        site.serve("/black.jpg", black),
        site.url + "/gone.jpg",
        photo_after_an_error(site, "/moody.jpg"),
    ]
    ids = [detect_damage.delay(url).id for url in urls]
    bad, gone, moody = ids[1:4]
    worker = start()

    wait_until(lambda: dead_letters(stack))
    found = {id: result_of(id) for id in ids}
    wait_until(lambda: is_quiet(stack))
    assert found.pop(gone)["reason"]["code"] == "photo_not_found"
    failed = found.pop(bad)
    assert failed["verdict"] == "failed"
    assert "out of memory on the GPU" in failed["reason"]["text"]
    assert failed["attempts"] == RECEIVES
    assert {result["verdict"] for result in found.values()} <= set(EXAMINED)
    assert {id for id, result in found.items() if result["attempts"] != 1} == {moody}
    assert found[moody]["attempts"] == 2
    assert dead_letters(stack) == 1

    # The black photo's batch failed first, then the black photo on its own.
    fails = batches_that_failed(worker)
    assert fails[0] == THREADS
    assert fails.count(1) == RECEIVES

    expected = dict.fromkeys(ids, EXAMINATION)
    attempts = dict.fromkeys(("task_received", "task_started", "task_rejected"), RECEIVES)
    expected[bad] = Counter(task_retried=RECEIVES - 1, task_failed=1, **attempts)
    expected[moody] = EXAMINATION + Counter(task_received=1, task_started=1, task_retried=1)
    total = sum(counts.total() for counts in expected.values())
    wait_until(lambda: sum(counts.total() for counts in events.values()) >= total, timeout=60)
    assert events == expected
