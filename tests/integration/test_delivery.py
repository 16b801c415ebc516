"""Whatever dies, every message ends as one verdict or as a dead letter with its reason.

Each promise has the fault it answers: processes are killed by real signals, SQS and
S3 fail in a proxy, photos crash, hang or break the worker (`misbehaving`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from damage_tasks import detect_damage
from damage_tasks.stack import Stack
from damage_tasks.stack.emulator import Emulator
from damage_tasks.stack.processes import Child
from tests.conftest import Site, new_database
from tests.faults import ERROR_503, EXPIRED, RESET, FaultProxy
from tests.integration.conftest import queue_counts, use
from tests.integration.test_commands import run
from tests.pictures import jpeg

Wait = Callable[..., dict[str, Any]]
pytestmark = pytest.mark.xdist_group("delivery")

VISIBILITY = 20  # seconds
SETTINGS = {
    "DAMAGE_SOFT_TIME_LIMIT": "6",
    "DAMAGE_TIME_LIMIT": "8",
    "DAMAGE_RETRY_BASE": "1",
    "DAMAGE_MAX_RETRIES": "8",
    "DAMAGE_MAX_FAILURES_IN_A_ROW": "3",
}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    emulator = Emulator(tmp_path_factory.mktemp("emulator") / "log")
    emulator.start()
    proxy = FaultProxy(emulator.environment["AWS_ENDPOINT_URL"])
    proxy.emulator = emulator  # type: ignore[attr-defined]
    yield proxy
    proxy.close()
    emulator.stop()


@pytest.fixture(scope="module")
def running_stack(
    proxy: FaultProxy,
    postgres_server: str,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    with (
        new_database(postgres_server, migrated_template) as url,
        Stack(
            tmp_path_factory.mktemp("stack"),
            processes=1,
            workers=0,
            database_url=url,
            emulator=proxy.emulator,  # type: ignore[attr-defined]
            app="tests.integration.misbehaving",
            visibility_timeout=VISIBILITY,
            settings={**SETTINGS, "AWS_ENDPOINT_URL": proxy.url},
        ) as stack,
    ):
        yield stack


@pytest.fixture
def stack(
    running_stack: Stack, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    """A stack without workers: each test starts its own."""
    proxy.heal()
    use(running_stack, monkeypatch)
    yield running_stack
    proxy.heal()
    for worker in running_stack.workers:
        worker.kill()
    running_stack.workers.clear()
    purge(running_stack)


@pytest.fixture
def worker(stack: Stack) -> Child:
    return start_worker(stack)


def start_worker(stack: Stack) -> Child:
    worker = stack.start_worker()
    worker.wait_for("worker is ready", timeout=60)
    return worker


def purge(stack: Stack) -> None:
    sqs = stack.client("sqs")
    for queue in (stack.environment["DAMAGE_QUEUE_URL"], dead_queue(stack)):
        sqs.purge_queue(QueueUrl=queue)


def dead_queue(stack: Stack) -> str:
    return stack.environment["DAMAGE_QUEUE_URL"] + "-dead-letters"


def wait_until(true: Callable[[], Any], timeout: float = 60) -> Any:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {timeout} s")


def child_of(worker: Child) -> psutil.Process:
    (child,) = psutil.Process(worker.pid).children()
    return child


def in_flight(stack: Stack) -> int:
    return queue_counts(stack)[1]


def photo(site: Site, path: str) -> str:
    return site.serve(path, jpeg(seed=hash(path) % 2**31))


def test_a_killed_process_loses_no_photo(
    stack: Stack, worker: Child, site: Site, result_of: Wait
) -> None:
    id = detect_damage.delay(photo(site, "/slow-child.jpg")).id
    wait_until(lambda: in_flight(stack))
    time.sleep(1)
    child_of(worker).kill()
    assert result_of(id)["verdict"] in ("damaged", "clean")
    wait_until(lambda: queue_counts(stack) == (0, 0))


def test_a_killed_worker_loses_no_photo(
    stack: Stack, worker: Child, site: Site, result_of: Wait
) -> None:
    id = detect_damage.delay(photo(site, "/slow-worker.jpg")).id
    wait_until(lambda: in_flight(stack))
    time.sleep(1)
    killed = time.monotonic()
    os.kill(worker.pid, signal.SIGKILL)
    start_worker(stack)
    result = result_of(id)
    assert result["attempts"] == 2
    # The visibility timeout may have been renewed just before; then one photo's time.
    assert time.monotonic() - killed < VISIBILITY + 20


def test_on_sigterm_the_photo_in_hand_is_finished_and_nothing_stays_in_flight(
    stack: Stack, worker: Child, site: Site, result_of: Wait
) -> None:
    first = detect_damage.delay(photo(site, "/slow-drain.jpg")).id
    wait_until(lambda: in_flight(stack))
    for number in range(4):
        detect_damage.delay(photo(site, f"/waits-{number}.jpg"))
    time.sleep(0.5)
    worker.terminate()
    assert worker.wait(timeout=20) == 0
    assert result_of(first)["attempts"] == 1
    assert queue_counts(stack) == (4, 0)


def test_photos_taken_but_not_begun_are_handed_back_at_once(
    stack: Stack, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stack.environment, "DAMAGE_PREFETCH", "4")
    worker = start_worker(stack)
    for number in range(4):
        detect_damage.delay(photo(site, f"/slow-prefetched-{number}.jpg"))
    wait_until(lambda: in_flight(stack) == 4)
    worker.terminate()
    assert worker.wait(timeout=20) == 0
    assert queue_counts(stack) == (3, 0)
    # While the photo in hand was still being examined.
    log = worker.log.read_text()
    assert log.count('"handed back"') == 3
    assert log.rindex('"handed back"') < log.index('"photo inspected"')


def test_a_worker_that_is_process_1_drains_too(stack: Stack, site: Site, result_of: Wait) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to make a process namespace")
    log = stack.folder / "pid1.log"
    worker = Child(
        "worker as process 1",
        ["unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", sys.executable, "-m",
         "celery", "-A", "tests.integration.misbehaving", "worker", "--concurrency", "1"],
        log=log,
        environment={**os.environ, **stack.environment},
    )  # fmt: skip
    worker.start()
    worker.wait_for("worker is ready", timeout=60)
    id = detect_damage.delay(photo(site, "/slow-first.jpg")).id
    wait_until(lambda: in_flight(stack))
    (first,) = psutil.Process(worker.pid).children()
    first.terminate()
    assert worker.wait(timeout=20) == 0
    assert result_of(id)["attempts"] == 1
    assert queue_counts(stack) == (0, 0)


def test_a_photo_that_crashes_its_process_becomes_a_dead_letter_with_its_reason(
    stack: Stack, worker: Child, site: Site, result_of: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs = stack.client("sqs")
    policy = json.loads(
        sqs.get_queue_attributes(
            QueueUrl=stack.environment["DAMAGE_QUEUE_URL"], AttributeNames=["RedrivePolicy"]
        )["Attributes"]["RedrivePolicy"]
    )
    assert int(policy["maxReceiveCount"]) == 5
    bad = detect_damage.delay(site.url + "/crash.jpg").id
    good = [detect_damage.delay(photo(site, f"/good-{n}.jpg")).id for n in range(3)]
    for id in good:
        assert result_of(id)["verdict"] in ("damaged", "clean")
    assert worker.returncode is None
    result = result_of(bad, timeout=150)
    assert (result["verdict"], result["reason"]["code"]) == ("failed", "worker_lost")
    wait_until(lambda: waiting(sqs, dead_queue(stack)) == 1, timeout=120)
    assert queue_counts(stack) == (0, 0)


def waiting(sqs: Any, url: str) -> int:
    name = "ApproximateNumberOfMessages"
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(answer["Attributes"][name])


def test_a_hung_photo_is_let_go_at_its_hard_time_limit(
    stack: Stack, worker: Child, site: Site, result_of: Wait
) -> None:
    hung = detect_damage.delay(site.url + "/hang.jpg").id
    wait_until(lambda: in_flight(stack))
    started = time.monotonic()
    good = detect_damage.delay(photo(site, "/after-hang.jpg")).id
    assert result_of(good)["verdict"] in ("damaged", "clean")
    assert time.monotonic() - started < 60
    assert f"Hard time limit (8s) exceeded for detect_damage[{hung}]" in worker.log.read_text()


def test_a_worker_that_only_fails_stops_with_a_status(
    stack: Stack, worker: Child, site: Site, result_of: Wait
) -> None:
    ids = [detect_damage.delay(f"{site.url}/fault-{n}.jpg").id for n in range(3)]
    assert worker.wait(timeout=60) == 70
    assert "3 photos in a row failed" in worker.log.read_text()
    for id in ids:
        result = result_of(id)
        assert (result["verdict"], result["reason"]["code"]) == ("failed", "unexpected")
    assert "out of memory on the GPU" in result["reason"]["text"]


@pytest.mark.parametrize("how", [ERROR_503, RESET])
def test_failed_polls_are_repeated_until_sqs_is_back(
    stack: Stack, worker: Child, site: Site, proxy: FaultProxy, result_of: Wait, how: str
) -> None:
    proxy.fail("sqs", how, "ReceiveMessage")
    wait_until(lambda: worker.log.read_text().count("polling SQS failed") >= 2)
    proxy.heal()
    id = detect_damage.delay(photo(site, f"/after-{how}.jpg")).id
    assert result_of(id)["verdict"] in ("damaged", "clean")


def test_credentials_that_stay_refused_end_the_worker_with_one_line(
    stack: Stack, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stack.environment, "DAMAGE_REFUSAL_PATIENCE", "2")
    worker = start_worker(stack)
    proxy.fail("sqs", EXPIRED, "ReceiveMessage")
    assert worker.wait(timeout=60) == 1
    (line,) = [x for x in worker.log.read_text().splitlines() if "worker stops" in x]
    assert "ExpiredTokenException" in line


def test_s3_may_be_away_for_a_while(
    stack: Stack, worker: Child, site: Site, proxy: FaultProxy, result_of: Wait
) -> None:
    proxy.fail("s3", ERROR_503)
    id = detect_damage.delay(photo(site, "/no-s3.jpg")).id
    wait_until(lambda: "photo is tried again" in worker.log.read_text())
    proxy.heal()
    result = result_of(id)
    assert result["verdict"] in ("damaged", "clean")
    assert result["attempts"] > 1


def test_a_verdict_whose_deletion_failed_is_not_counted_twice(
    stack: Stack, worker: Child, site: Site, proxy: FaultProxy, result_of: Wait
) -> None:
    proxy.fail("sqs", ERROR_503, "DeleteMessage")
    id = detect_damage.delay(photo(site, "/not-deleted.jpg")).id
    assert result_of(id)["attempts"] == 1
    proxy.heal()
    wait_until(lambda: queue_counts(stack) == (0, 0), timeout=VISIBILITY + 30)
    assert result_of(id)["verdict"] in ("damaged", "clean")


def test_two_workers_with_the_same_photo_at_once_store_it_once(
    stack: Stack, site: Site, result_of: Wait
) -> None:
    for _ in range(2):
        start_worker(stack)
    url = photo(site, "/slow-twice.jpg")
    ids = [detect_damage.delay(url).id, detect_damage.delay(url).id]
    for id in (*ids, *ids):
        detect_damage.apply_async((url,), task_id=id)
    found = [result_of(id) for id in ids]
    assert found[0]["overlay_url"] == found[1]["overlay_url"]
    wait_until(lambda: queue_counts(stack) == (0, 0))
    assert run("dead-letters", "list", stack=stack).stdout.strip() == "dead letters: 0"


def test_a_queue_that_would_lose_photos_is_refused(stack: Stack) -> None:
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName="careless", Attributes={"VisibilityTimeout": "5"})["QueueUrl"]
    worker = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "damage_tasks", "worker"],
        env={**os.environ, **stack.environment, "DAMAGE_QUEUE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert worker.returncode != 0
    (line,) = [x for x in worker.stderr.splitlines() if "worker does not start" in x]
    assert "queue_unsafe" in line
    assert "VisibilityTimeout is 5 s" in line
    assert "has no RedrivePolicy" in line


def test_an_eta_is_refused_before_it_can_be_sent(stack: Stack) -> None:
    from kombu.exceptions import OperationalError

    with pytest.raises((ValueError, OperationalError), match="DelaySeconds"):
        detect_damage.apply_async(("https://x/y.jpg",), countdown=60)
    assert queue_counts(stack) == (0, 0)


def test_dead_letters_are_listed_replayed_and_dropped(
    stack: Stack, site: Site, result_of: Wait, tmp_path: Path
) -> None:
    sqs = stack.client("sqs")
    good = photo(site, "/replayed.jpg")
    sent = sqs.send_message(
        QueueUrl=dead_queue(stack), MessageBody=json.dumps({"image_url": good, "car": 7})
    )
    sqs.send_message(QueueUrl=dead_queue(stack), MessageBody="junk")
    listed = run("dead-letters", "list", stack=stack).stdout
    assert "dead letters: 2" in listed
    assert "unknown: 2" in listed
    assert good.rpartition("/")[2] in listed

    start_worker(stack)
    done = run("dead-letters", "replay", "--photo", "*/replayed.jpg", "--yes", stack=stack)
    assert done.stdout.splitlines()[-1] == "replay: 1"
    result = result_of(sent["MessageId"])
    assert result["metadata"] == {"car": 7}

    asked = run("dead-letters", "drop", stack=stack, input="n\n")
    assert asked.returncode != 0
    assert waiting(sqs, dead_queue(stack)) == 1
    run("dead-letters", "drop", "--yes", stack=stack)
    assert waiting(sqs, dead_queue(stack)) == 0
