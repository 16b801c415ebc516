"""Flower forgets workers that are gone, and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import shelve
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flower.events import EventsState
from prometheus_client import generate_latest

from damage_tasks.devstack.bus_and_flower import READY_TIMEOUT_SECONDS
from damage_tasks.devstack.child_processes import Child
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.flower import lost_workers
from damage_tasks.flower.lost_workers import forget_lost_workers, keep_forgetting_lost_workers
from tests.operators.conftest import wait_until

HOUR = 3600.0
# Flower's command with a search every moment.
SEARCHES_OFTEN = """
from damage_tasks.flower import lost_workers
lost_workers.SEARCH_SECONDS = 0.2
from damage_tasks.__main__ import main
main()
"""


def observe(state: Any, type: str, worker: str, at: float, **fields: Any) -> None:
    event = {"type": type, "hostname": worker, "timestamp": at, "local_received": at, "clock": 1}
    state.event({"utcoffset": 0, "pid": 1, **event, **fields})


def examine(state: Any, worker: str, photo: str, at: float) -> None:
    observe(state, "worker-heartbeat", worker, at, freq=2, active=1)
    observe(state, "task-received", worker, at, uuid=photo, name="detect_damage")
    observe(state, "task-succeeded", worker, at, uuid=photo, runtime=0.3, result="{}")


def test_a_worker_that_is_gone_leaves_only_its_photos() -> None:
    state, now = EventsState(max_tasks_in_memory=10), time.time()
    examine(state, "gone", "first photo", now - HOUR - 60)
    examine(state, "silent for a while", "second photo", now - HOUR + 60)
    examine(state, "busy", "third photo", now)

    assert forget_lost_workers(state, HOUR) == {"gone"}

    assert set(state.workers) == set(state.counter) == {"silent for a while", "busy"}
    assert set(state.tasks_by_worker) == {"silent for a while", "busy"}
    assert set(state.tasks) == {"first photo", "second photo", "third photo"}
    assert state.tasks["first photo"].worker.hostname == "gone"
    metrics = generate_latest().decode()
    assert 'worker="gone"' not in metrics
    assert 'worker="busy"' in metrics


def test_a_worker_that_stopped_in_order_is_forgotten_too() -> None:
    state, now = EventsState(max_tasks_in_memory=10), time.time()
    for worker, ago in (("stopped", HOUR + 60), ("stopped just now", 60)):
        examine(state, worker, f"photo of {worker}", now - ago)
        observe(state, "worker-offline", worker, now - ago)
    assert forget_lost_workers(state, HOUR) == {"stopped"}
    assert set(state.workers) == {"stopped just now"}


def test_no_worker_that_is_alive_is_forgotten() -> None:
    state = EventsState(max_tasks_in_memory=10)
    examine(state, "busy", "first photo", time.time() - 1)
    assert forget_lost_workers(state, 0) == set()


def test_a_worker_that_comes_back_is_shown_again() -> None:
    state, now = EventsState(max_tasks_in_memory=10), time.time()
    examine(state, "back", "first photo", now - 2 * HOUR)
    assert forget_lost_workers(state, HOUR) == {"back"}
    examine(state, "back", "second photo", now)
    assert forget_lost_workers(state, HOUR) == set()
    assert state.workers["back"].alive


def test_a_worker_that_celery_removed_itself_is_forgotten_too() -> None:
    state, now = EventsState(max_tasks_in_memory=10, max_workers_in_memory=1), time.time()
    examine(state, "earlier", "first photo", now)
    examine(state, "later", "second photo", now)
    assert forget_lost_workers(state, HOUR) == {"earlier"}
    assert set(state.counter) == {"later"}


def test_workers_are_forgotten_again_and_again_while_flower_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lost_workers, "SEARCH_SECONDS", 0.01)
    state = EventsState(max_tasks_in_memory=10)
    shown: dict[str, Any] = {"first": {}, "second": {}, "busy": {}}
    application = SimpleNamespace(
        options=SimpleNamespace(purge_offline_workers=HOUR),
        events=SimpleNamespace(state=state),
        inspector=SimpleNamespace(workers=shown),
    )

    async def forgotten(worker: str) -> None:
        examine(state, worker, f"photo of {worker}", time.time() - 2 * HOUR)
        async with asyncio.timeout(60):
            while worker in shown:
                await asyncio.sleep(0.01)

    async def run() -> None:
        keep_forgetting_lost_workers(application)
        await forgotten("first")
        await forgotten("second")

    examine(state, "busy", "photo of busy", time.time())
    asyncio.run(run())
    assert set(shown) == set(state.workers) == {"busy"}


@pytest.mark.server
def test_flower_forgets_the_workers_of_its_history_that_are_gone(tmp_path: Path) -> None:
    state, now = EventsState(max_tasks_in_memory=10), time.time()
    examine(state, "gone", "photo of gone", now - 2 * HOUR)
    examine(state, "silent for a while", "photo of another", now - 60)
    with shelve.open(f"{tmp_path}/flower") as history:
        history["events"] = state
    port = free_port()
    child = Child(
        "Flower",
        [sys.executable, "-c", SEARCHES_OFTEN, "flower", f"--port={port}",
         f"--db={tmp_path}/flower"],
        log=tmp_path / "flower.log",
        environment={
            **os.environ,
            # It also answers while its bus is unavailable.
            "DAMAGE_EVENT_BUS_URL": f"redis://127.0.0.1:{free_port()}/0",
            "AWS_REGION": "us-east-1",
        },
    )  # fmt: skip
    child.start()
    child.wait_for("Visit me at", READY_TIMEOUT_SECONDS)

    def ask(path: str) -> set[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/{path}", timeout=60) as answer:
            return set(json.load(answer))

    assert ask("tasks") == {"photo of gone", "photo of another"}
    wait_until(lambda: ask("workers?status=1") == {"silent for a while"}, "only the other worker")
    child.terminate()
    assert child.wait(60) == 0
