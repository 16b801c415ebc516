"""Steps and checks shared by the delivery tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psutil

from damage_tasks.devstack import Stack
from damage_tasks.devstack.child_processes import Child
from damage_tasks.sqs.queues import read_queue
from tests.integration.conftest import queue_counts
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

Wait = Callable[..., dict[str, Any]]
EXAMINED = ("damaged", "clean")


def start_worker(stack: Stack) -> Child:
    """Start one more worker and wait until it accepts photos."""
    worker = stack.start_worker()
    worker.wait_for("worker is ready", timeout=90)
    return worker


def wait_until(true: Callable[[], Any], timeout: float = 90) -> Any:
    """Call ``true`` until its result is true, and return that."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {timeout} s")


def child_of(worker: Child) -> psutil.Process:
    """The process that examines photos."""
    (child,) = psutil.Process(worker.pid).children()
    return child


def in_flight(stack: Stack) -> int:
    """Number of messages that a worker has received and not deleted."""
    return queue_counts(stack)[1]


def wait_until_taken(stack: Stack, count: int = 1) -> None:
    """Wait until workers hold ``count`` photos; SQS counts them before its response arrives."""
    wait_until(lambda: in_flight(stack) == count)
    time.sleep(1)


def is_quiet(stack: Stack) -> bool:
    """Whether nothing is waiting and nothing is in flight."""
    return queue_counts(stack) == (0, 0)


def photo(site: Site, path: str) -> str:
    """The URL of a new photo."""
    return site.serve(path, jpeg(seed=hash(path) % 2**31))


def dead_queue(stack: Stack) -> str:
    """The URL of the dead-letter queue."""
    return stack.environment["DAMAGE_QUEUE_URL"] + "-dead-letters"


def dead_letters(stack: Stack) -> int:
    """Number of dead letters."""
    return read_queue(stack.client("sqs"), dead_queue(stack)).waiting
