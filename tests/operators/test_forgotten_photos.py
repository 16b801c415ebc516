"""Flower forgets photos that are erased."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from damage_tasks.app import app
from damage_tasks.devstack.child_processes import Child
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.event_bus.connection import NO_BUS_MESSAGE, SENDER
from damage_tasks.event_bus.forgotten_photos import ForgottenPhotos
from damage_tasks.settings import get_settings
from tests.operators.conftest import Redis, wait_until

IDS = ("erased-photo", "other-photo")
PORT = free_port()


def shown(id: str) -> bool:
    """Whether Flower has a page about the photo."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/task/{id}", timeout=60) as answer:
            return id in answer.read().decode()
    except urllib.error.HTTPError as error:
        error.close()
        return False


@pytest.fixture
def flower(bus: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    """Flower on the bus, which saves its history often."""
    monkeypatch.setenv("DAMAGE_EVENT_BUS_URL", bus.url)
    get_settings.cache_clear()
    child = Child(
        "Flower",
        [sys.executable, "-m", "damage_tasks", "flower", f"--port={PORT}",
         f"--db={tmp_path}/flower", "--persistent=True", "--state-save-interval=200"],
        log=tmp_path / "flower.log",
        environment={**os.environ, "AWS_REGION": "us-east-1"},
    )  # fmt: skip
    child.start()
    child.wait_for("receiving events from", 60)
    yield child
    child.terminate()
    child.wait(20)


def saved(folder: Path) -> bytes:
    """The history's file, which is replaced from time to time."""
    found = b""
    for path in folder.glob("flower*"):
        with suppress(FileNotFoundError):
            found += path.read_bytes() if path.suffix != ".log" else b""
    return found


@pytest.mark.slow
def test_flower_forgets_an_erased_photo_in_its_memory_and_its_file(
    flower: Child, tmp_path: Path
) -> None:
    dispatcher = app.events.Dispatcher(hostname="worker1@pod")

    def both_are_shown() -> bool:
        for id in IDS:
            dispatcher.send("task-received", uuid=id, name="damage_tasks.detect_damage")
        SENDER.drain(5)
        return all(shown(id) for id in IDS)

    wait_until(both_are_shown, "both photos in Flower", 60)
    wait_until(lambda: IDS[0].encode() in saved(tmp_path), "the history's file", 60)

    forgotten = ForgottenPhotos()
    forgotten.announce(["unknown", IDS[0], "unknown too"])

    assert forgotten.problem == ""
    wait_until(lambda: not shown(IDS[0]), "the photo to be forgotten", 60)
    assert shown(IDS[1])
    assert "Traceback" not in flower.log.read_text()
    flower.terminate()
    assert flower.wait(20) == 0
    assert IDS[0].encode() not in saved(tmp_path)
    assert IDS[1].encode() in saved(tmp_path)


@pytest.mark.parametrize("url", ["", "redis://127.0.0.1:9/0"])
def test_an_unreachable_bus_is_a_problem_that_is_named(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_EVENT_BUS_URL", url)
    get_settings.cache_clear()
    forgotten = ForgottenPhotos()
    forgotten.announce(["a"])
    assert (forgotten.problem == NO_BUS_MESSAGE) is (url == "")
    assert forgotten.problem
