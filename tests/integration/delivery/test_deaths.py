"""Whatever is killed or crashes, every photo ends as one verdict or one dead letter."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import psutil
import pytest

from damage_tasks import detect_damage, get_inspection
from damage_tasks.devstack import Stack
from damage_tasks.devstack.child_processes import Child
from tests.integration.conftest import queue_counts
from tests.integration.delivery.conftest import VISIBILITY
from tests.integration.delivery.stage import (
    EXAMINED,
    Wait,
    child_of,
    dead_letters,
    in_flight,
    is_quiet,
    photo,
    start_worker,
    wait_until,
    wait_until_taken,
)
from tools.loopback_web_server import Site
from tools.redrive import limit_receives

pytestmark = pytest.mark.xdist_group("delivery")


def test_a_killed_process_loses_no_photo(
    stack: Stack, worker: Child, site: Site, result_of: Wait
) -> None:
    id = detect_damage.delay(photo(site, "/slow-child.jpg")).id
    wait_until_taken(stack)
    child_of(worker).kill()
    assert result_of(id)["verdict"] in EXAMINED
    wait_until(lambda: is_quiet(stack))
    # So that operators know which photo it was.
    (line,) = [x for x in worker.log.read_text().splitlines() if "photo lost its process" in x]
    assert id in line


def test_a_killed_worker_loses_no_photo(
    stack: Stack, worker: Child, site: Site, result_of: Wait
) -> None:
    id = detect_damage.delay(photo(site, "/slow-worker.jpg")).id
    wait_until_taken(stack)
    killed = time.monotonic()
    os.kill(worker.pid, signal.SIGKILL)
    start_worker(stack)
    result = result_of(id)
    assert result["attempts"] == 2
    # The visibility timeout may just have been renewed; add the time of one photo.
    assert time.monotonic() - killed < VISIBILITY + 20


def test_a_process_that_loads_for_longer_than_celery_waits_replaces_a_killed_one(
    stack: Stack, site: Site, result_of: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By default Celery kills a process that is not ready after 4 s, and its successors too.
    monkeypatch.setitem(stack.environment, "SLOW_LOAD", "5")
    worker = start_worker(stack)
    child_of(worker).kill()
    id = detect_damage.delay(photo(site, "/after-slow-load.jpg")).id
    assert result_of(id, timeout=90)["verdict"] in EXAMINED
    assert "Timed out waiting for UP message" not in worker.log.read_text()


def test_a_process_that_cannot_load_its_bundle_serves_nothing_and_ends_the_worker(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Celery only logs a handler's exceptions and continues with a process that cannot work.
    monkeypatch.setitem(stack.environment, "FAIL_LOAD", "1")
    worker = stack.start_worker()
    assert worker.wait(timeout=90) not in (0, -signal.SIGKILL)
    assert "worker process does not start: bundle_invalid" in worker.log.read_text()


def test_a_photo_that_crashes_its_process_becomes_a_dead_letter_with_its_reason(
    stack: Stack, site: Site, result_of: Wait
) -> None:
    limit_receives(stack, 3)
    worker = start_worker(stack)
    bad = detect_damage.delay(site.url + "/crash.jpg").id
    good = [detect_damage.delay(photo(site, f"/good-{n}.jpg")).id for n in range(3)]
    # Each time a new process loads its bundle, which takes up to a minute on a busy machine.
    for id in good:
        assert result_of(id, timeout=400)["verdict"] in EXAMINED
    assert worker.returncode is None
    result = result_of(bad, timeout=400)
    assert (result["verdict"], result["reason"]["code"]) == ("failed", "worker_lost")
    assert result["attempts"] == 3
    wait_until(lambda: dead_letters(stack) == 1, timeout=200)
    assert queue_counts(stack) == (0, 0)


def test_a_hung_photo_is_released_at_its_hard_time_limit(
    stack: Stack, worker: Child, site: Site, result_of: Wait
) -> None:
    hung = detect_damage.delay(site.url + "/hang.jpg").id
    wait_until(lambda: in_flight(stack))
    started = time.monotonic()
    good = detect_damage.delay(photo(site, "/after-hang.jpg")).id
    assert result_of(good)["verdict"] in EXAMINED
    assert time.monotonic() - started < 120
    assert f"Hard time limit (18s) exceeded for detect_damage[{hung}]" in worker.log.read_text()
    # Celery would consider it done.
    wait_until(lambda: sum(queue_counts(stack)) == 1)


def test_a_worker_that_only_fails_stops_with_a_status(
    stack: Stack, worker: Child, site: Site
) -> None:
    ids = [detect_damage.delay(f"{site.url}/fault-{n}.jpg").id for n in range(3)]
    assert worker.wait(timeout=60) == 70
    assert "3 photos in a row failed" in worker.log.read_text()
    # Each will be delivered again, so none is given up.
    result: Any = get_inspection(ids[0])
    assert (result["state"], result["reason"]["code"]) == ("retrying", "unexpected")
    assert "out of memory on the GPU" in result["reason"]["text"]
    # By default Celery deletes the message of a task that raised.
    assert sum(queue_counts(stack)) == 3


def test_a_photo_that_fails_is_a_dead_letter_in_the_end(
    stack: Stack, site: Site, result_of: Wait
) -> None:
    limit_receives(stack, 3)
    worker = start_worker(stack)
    id = detect_damage.delay(f"{site.url}/fault.jpg").id
    assert result_of(id)["reason"]["code"] == "unexpected"
    wait_until(lambda: dead_letters(stack) == 1, timeout=200)
    assert is_quiet(stack)
    assert worker.returncode is None


def test_a_process_that_has_grown_too_large_is_replaced_after_its_photo(
    stack: Stack, site: Site, result_of: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stack.environment, "DAMAGE_MAX_PROCESS_MEGABYTES", "256")
    worker = start_worker(stack)
    first = child_of(worker).pid
    id = detect_damage.delay(f"{photo(site, '/good.jpg')}?/grow").id
    assert result_of(id)["verdict"] in EXAMINED
    wait_until(lambda: not psutil.pid_exists(first))
    id = detect_damage.delay(photo(site, "/after-growth.jpg")).id
    assert result_of(id)["attempts"] == 1
