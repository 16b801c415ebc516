"""A worker that is stopped finishes its current photos and returns the others to the queue."""

from __future__ import annotations

import os
import signal
import sys

import psutil
import pytest

from damage_tasks import detect_damage, get_inspection
from damage_tasks.devstack import Stack
from damage_tasks.devstack.child_processes import Child
from tests.integration.conftest import queue_counts
from tests.integration.delivery.stage import (
    Wait,
    in_flight,
    photo,
    start_worker,
    wait_until,
    wait_until_taken,
)
from tools.loopback_web_server import Site

pytestmark = pytest.mark.xdist_group("delivery")


def test_on_sigterm_the_current_photo_is_finished_and_nothing_stays_in_flight(
    stack: Stack, site: Site
) -> None:
    ids = [detect_damage.delay(photo(site, f"/slow-drain-{number}.jpg")).id for number in range(5)]
    worker = start_worker(stack)
    wait_until_taken(stack)
    assert queue_counts(stack) == (4, 1)
    worker.terminate()
    assert worker.wait(timeout=60) == 0
    (result,) = filter(None, map(get_inspection, ids))
    assert result["attempts"] == 1
    assert queue_counts(stack) == (4, 0)


def test_photos_taken_but_not_begun_are_handed_back_at_once(
    stack: Stack, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stack.environment, "DAMAGE_PREFETCH", "8")
    worker = start_worker(stack)
    for number in range(4):
        detect_damage.delay(photo(site, f"/slow-prefetched-{number}.jpg"))
    wait_until_taken(stack, 4)
    worker.terminate()
    assert worker.wait(timeout=60) == 0
    assert queue_counts(stack) == (3, 0)
    # While the first photo was still being examined.
    log = worker.log.read_text()
    assert log.count('"handed back"') == 3
    assert log.rindex('"handed back"') < log.index('"photo inspected"')


def test_a_worker_that_has_to_stop_at_once_hands_its_photo_back(
    stack: Stack, worker: Child, site: Site
) -> None:
    detect_damage.delay(photo(site, "/slow-cold.jpg"))
    wait_until_taken(stack)
    os.kill(worker.pid, signal.SIGQUIT)
    wait_until(lambda: worker.returncode is not None, timeout=60)
    # Long before its visibility timeout.
    wait_until(lambda: queue_counts(stack) == (1, 0), timeout=10)


def test_an_idle_worker_stops_during_a_poll_and_leaves_nothing_in_flight(
    stack: Stack, worker: Child, site: Site
) -> None:
    worker.terminate()
    detect_damage.delay(photo(site, "/came-too-late.jpg"))
    assert worker.wait(timeout=60) == 0
    assert sum(queue_counts(stack)) in (0, 1)
    assert in_flight(stack) == 0


def test_a_worker_that_is_process_1_drains_too(stack: Stack, site: Site, result_of: Wait) -> None:
    # An unprivileged user creates the process namespace inside a user namespace.
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    worker = Child(
        "worker as process 1",
        ["unshare", *user, "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc",
         sys.executable, "-m", "celery", "-A", "tools.chaos.misbehaving_app", "worker",
         "--concurrency", "1"],
        log=stack.folder / "pid1.log",
        environment={**os.environ, **stack.environment},
    )  # fmt: skip
    worker.start()
    worker.wait_for("worker is ready", timeout=90)
    id = detect_damage.delay(photo(site, "/slow-first.jpg")).id
    wait_until_taken(stack)
    (first,) = psutil.Process(worker.pid).children()
    first.terminate()
    assert worker.wait(timeout=60) == 0
    assert result_of(id)["attempts"] == 1
    assert queue_counts(stack) == (0, 0)
