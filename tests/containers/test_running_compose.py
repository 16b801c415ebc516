"""The compose file, from the first verdict to a drained worker."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.samples import write_samples
from damage_tasks.sqs.queues import read_queue
from tests.containers.conftest import Stack
from tests.containers.container_engine import wait_for

SEND = """
import sys
from damage_tasks import detect_damage
for url in sys.argv[1:]:
    print(detect_damage.delay(url).id, flush=True)
"""
READ = """
import json, sys
from damage_tasks import get_inspection
print(json.dumps([get_inspection(id) for id in sys.argv[1:]]))
"""


def python(stack: Stack, program: str, *arguments: str) -> str:
    """A caller's program on this machine, outside all containers."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DAMAGE_"))}
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**clean, **stack.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def verdicts(stack: Stack, ids: list[str], timeout: float = 300) -> list[dict[str, Any]]:
    """The results of ``ids``, once all have arrived."""

    def all_there() -> Any:
        found = json.loads(python(stack, READ, *ids))
        return found if all(found) else None

    return list(wait_for("all verdicts", all_there, timeout))


@pytest.fixture(scope="module")
def urls(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A dozen photos in the stack's bucket."""
    s3 = stack.client("s3")
    found = []
    for photo in write_samples(tmp_path_factory.mktemp("photos"), 12):
        s3.upload_file(str(photo), "damage-photos", photo.name)
        found.append(f"s3://damage-photos/{photo.name}")
    return found


def get(url: str, user: str | None = None) -> Any:
    request = urllib.request.Request(url)
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_all_services_are_healthy(stack: Stack) -> None:
    for service in ["emulator", "postgres", "event-bus", *stack.services]:
        wait_for(
            f"{service} is healthy",
            lambda service=service: stack.inspect(service, "{{.State.Health.Status}}") == "healthy",
            300,
        )


def test_delay_from_this_machine_gives_a_verdict(stack: Stack, urls: list[str]) -> None:
    (id,) = python(stack, SEND, urls[0]).split()
    (result,) = verdicts(stack, [id])
    assert result["verdict"] == "damaged"
    assert result["bundle"]["name"]
    bucket, _, key = result["overlay_url"].removeprefix("s3://").partition("/")
    overlay = stack.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert overlay.startswith(b"\xff\xd8")


def test_flower_shows_the_task(stack: Stack, urls: list[str]) -> None:
    (id,) = python(stack, SEND, urls[1]).split()
    verdicts(stack, [id])
    flower = f"http://127.0.0.1:{stack.ports['FLOWER_PORT']}"
    task = wait_for(
        "Flower knows the task", lambda: get(f"{flower}/api/tasks", "operator:damage").get(id), 120
    )
    assert task["state"] == "SUCCESS"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        get(f"{flower}/api/tasks")


def test_prometheus_counts_photos_and_knows_our_rules(stack: Stack) -> None:
    prometheus = f"http://127.0.0.1:{stack.ports['PROMETHEUS_PORT']}/api/v1"
    wait_for(
        "photos are counted",
        lambda: get(f"{prometheus}/query?query=damage_photos_total")["data"]["result"],
        60,
    )
    assert get(f"{prometheus}/rules")["data"]["groups"][0]["rules"]
    targets = get(f"{prometheus}/targets")["data"]["activeTargets"]
    assert {target["health"] for target in targets} == {"up"}


def test_the_log_is_copied_for_the_shipper_and_still_on_the_output(stack: Stack) -> None:
    copied = stack.compose(
        "exec", "-T", "worker", "sh", "-c", "cat /var/log/damage-tasks/worker-*.log"
    )
    shown = stack.compose("logs", "--no-color", "--no-log-prefix", "worker")
    line = next(line for line in copied.splitlines() if '"photo' in line or '"verdict"' in line)
    assert json.loads(line)["level"]
    assert line in shown


def test_nothing_is_published_beyond_this_machine(stack: Stack) -> None:
    for service in ["emulator", "postgres", "event-bus", *stack.services]:
        ports = json.loads(stack.inspect(service, "{{json .NetworkSettings.Ports}}")) or {}
        hosts = {bound["HostIp"] for published in ports.values() for bound in published or []}
        assert hosts <= {"127.0.0.1"}, service


def test_the_worker_can_write_nothing_but_its_volumes(stack: Stack) -> None:
    with pytest.raises(AssertionError, match="Read-only file system"):
        stack.compose("exec", "-T", "worker", "touch", "/opt/damage-tasks/x")


@pytest.fixture
def unknown(stack: Stack, tmp_path: Path) -> list[str]:
    """New photos: for a known one the worker would have no work."""
    s3 = stack.client("s3")
    found = []
    for number, photo in enumerate(write_samples(tmp_path, 4) * 6):
        key = f"unknown-{number}.jpg"
        # Bytes after the end of a JPEG do not belong to the picture.
        s3.put_object(
            Bucket="damage-photos", Key=key, Body=photo.read_bytes() + f"{time.time()}".encode()
        )
        found.append(f"s3://damage-photos/{key}")
    return found


def test_stop_drains_the_worker_without_loss(
    stack: Stack, unknown: list[str], request: pytest.FixtureRequest
) -> None:
    def counts() -> tuple[int, int]:
        queue = read_queue(stack.client("sqs"), stack.environment["DAMAGE_QUEUE_URL"])
        return queue.waiting, queue.in_flight

    ids = python(stack, SEND, *unknown).split()
    wait_for("photos are in flight", lambda: counts()[1] > 0, 60)
    start = time.monotonic()
    stack.compose("stop", "worker")
    seconds = time.monotonic() - start
    request.addfinalizer(lambda: stack.compose("start", "worker"))

    assert seconds < 60, "photos in progress were not finished, or something hung"
    assert stack.inspect("worker", "{{.State.ExitCode}}") == "0"
    finished = [found for found in json.loads(python(stack, READ, *ids)) if found]
    waiting, in_flight = wait_for(
        "what was not begun waits again", lambda: counts()[1] == 0 and counts(), 30
    )
    print(
        f"\nstopped in {seconds:.1f} s: {len(finished)} of {len(ids)} examined, "
        f"{waiting} waiting, {in_flight} in flight"
    )
    # "At least", because a photo that ends at the moment of the stop may also be handed back.
    assert len(finished) + waiting >= len(ids)
    assert waiting > 0, "all photos were done before the stop: nothing was proved"

    stack.compose("start", "worker")
    results = verdicts(stack, ids, 600)
    later = {result["id"]: result["verdict"] for result in results}
    assert {each["id"]: each["verdict"] for each in finished}.items() <= later.items()
    assert {result["verdict"] for result in results} <= {"damaged", "clean"}
    assert wait_for("the queue is empty", lambda: counts() == (0, 0), 60)


def test_what_waits_is_there_after_a_stop(
    stack: Stack, urls: list[str], request: pytest.FixtureRequest
) -> None:
    def messages() -> int:
        return read_queue(stack.client("sqs"), stack.environment["DAMAGE_QUEUE_URL"]).messages

    stack.compose("stop", "worker")
    request.addfinalizer(lambda: stack.compose("start", "worker"))
    ids = python(stack, SEND, *urls).split()
    for service in ("emulator", "postgres"):
        stack.compose("stop", service)
        stack.compose("start", service)
    for service in ("emulator", "postgres"):
        wait_for(
            f"{service} is healthy",
            lambda s=service: stack.inspect(s, "{{.State.Health.Status}}") == "healthy",
            120,
        )
    # The last poll of a stopped worker may have received some; they become visible again.
    assert messages() == len(ids)
    stack.compose("start", "worker")
    verdicts(stack, ids, 600)


def test_submit_sends_a_file_and_prints_its_verdict(stack: Stack, tmp_path: Path) -> None:
    (photo,) = write_samples(tmp_path, 1)
    said = stack.compose(
        "run", "--rm", "-T", "--volume", f"{photo}:/photos/car.jpg:ro",
        "submit", "python", "/docker/upload_and_submit.py", "/photos/car.jpg",
    )  # fmt: skip
    assert "damaged" in said
