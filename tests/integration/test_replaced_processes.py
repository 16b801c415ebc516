"""A process that replaces another has none of its parent's connections."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from damage_tasks.devstack.bus_and_flower import Bus
from damage_tasks.devstack.loopback_ports import free_port
from tests.conftest import new_database
from tests.integration.conftest import queue_counts, use
from tests.integration.delivery.stage import child_of, wait_until
from tools import sample_s3_events as s3_events
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_bundle

pytestmark = [
    pytest.mark.xdist_group("replaced-processes"),
    pytest.mark.skipif(sys.platform != "linux", reason="descriptors are read in /proc"),
]


@pytest.fixture
def stack(
    postgres_server: str,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stack]:
    """A worker with one process, the event bus and metrics."""
    folder = tmp_path_factory.mktemp("replaced")
    bus = Bus(folder / "bus.log", free_port())
    bus.wait()
    settings = {
        "DAMAGE_EVENT_BUS_URL": bus.url,
        "DAMAGE_METRICS_PORT": str(free_port()),
        "DAMAGE_INTAKE_BUCKETS": s3_events.BUCKET,
        "DAMAGE_BUNDLE": str(write_bundle(folder / "bundle")),
    }
    with (
        new_database(postgres_server, migrated_template) as url,
        Stack(folder / "var", processes=1, database_url=url, settings=settings) as stack,
    ):
        use(stack, monkeypatch)
        yield stack
    bus.stop()


def shared(parent: int, child: int) -> list[str]:
    """The sockets that both processes have open, and epolls if both have some."""
    return sorted(connections(parent) & connections(child))


def connections(pid: int) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found.add(str(descriptor.readlink()))
    return {name for name in found if name.startswith(("socket:", "anon_inode:[eventpoll]"))}


def replaced_process(stack: Stack, site: Site) -> psutil.Process:
    """Kill the worker's process once it has examined a photo; returns the next, which has too."""
    (worker,) = stack.workers
    examine(site, "/first.jpg")
    first = child_of(worker)
    first.kill()
    wait_until(lambda: first.pid not in pids_of(worker.pid))
    examine(site, "/second.jpg")
    return child_of(worker)


def pids_of(worker: int) -> list[int]:
    return [child.pid for child in psutil.Process(worker).children()] or [0]


def examine(site: Site, path: str) -> None:
    result = detect_damage.delay(site.serve(path, jpeg(seed=len(path)))).get(timeout=120)
    assert result["verdict"] in ("damaged", "clean")


def test_a_process_shares_no_connection_with_its_parent_even_if_it_replaces_another(
    stack: Stack, site: Site
) -> None:
    (worker,) = stack.workers
    examine(site, "/one.jpg")
    assert shared(worker.pid, child_of(worker).pid) == []
    child = replaced_process(stack, site)
    assert shared(worker.pid, child.pid) == []


def test_a_replaced_process_forwards_uploads_and_the_log_has_no_warning(
    stack: Stack, site: Site
) -> None:
    s3 = stack.client("s3")
    s3.create_bucket(Bucket=s3_events.BUCKET)
    child = replaced_process(stack, site)
    records = []
    for key in ("a.jpg", "b.jpg"):
        s3.put_object(Bucket=s3_events.BUCKET, Key=key, Body=jpeg(seed=ord(key[0])))
        records.append(s3_events.record(key))
    text = json.dumps(s3_events.direct(*records))
    queue = stack.environment["DAMAGE_QUEUE_URL"]
    stack.client("sqs").send_message(QueueUrl=queue, MessageBody=text)
    (worker,) = stack.workers
    wait_until(lambda: len(logged(worker.log.read_text(), "photo inspected")) == 4)
    wait_until(lambda: queue_counts(stack) == (0, 0))
    assert child_of(worker) == child
    # Celery's about root comes before the worker's first line; the other is about the killed one.
    later = worker.log.read_text().partition("worker is ready")[2].splitlines()[1:]
    odd = [line for line in later if json.loads(line)["level"] not in ("info", "debug")]
    assert [json.loads(line)["logger"] for line in odd] == ["multiprocessing"]


def test_nobody_listens_on_the_port_of_the_metrics_once_the_parent_is_killed(
    stack: Stack, site: Site
) -> None:
    (worker,) = stack.workers
    port = int(stack.environment["DAMAGE_METRICS_PORT"])
    child = replaced_process(stack, site)
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    # The kernel kills it with its parent, but it must not depend on that.
    assert not [found for found in child.net_connections() if found.status == "LISTEN"]
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(timeout=30)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def logged(log: str, event: str) -> list[str]:
    return [line for line in log.splitlines() if event in line]
