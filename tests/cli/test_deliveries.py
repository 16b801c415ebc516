"""``damage-tasks deliver`` as a process, and ``damage-tasks deliveries``."""

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

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.devstack.child_processes import Child
from damage_tasks.results.delivery import DeliverySelection, Outcome
from damage_tasks.results.delivery_queue import DeliveryQueue
from damage_tasks.results.store import Inspections
from damage_tasks.settings import get_settings
from tests.deliveries.deliveries_for import SECRET
from tools.sample_pictures_and_results import damage, finding, inspection
from tools.webhook_receiver import WebhookReceiver, answer

TOPIC = "arn:aws:sns:us-east-1:000000000000:events"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    yield receiver
    receiver.close()


@pytest.fixture
def url(database_url: str, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database, and settings with the receiver as the only target."""
    values = {
        "DAMAGE_DATABASE_URL": database_url,
        "DAMAGE_EVENT_TARGETS": receiver.url,
        "DAMAGE_WEBHOOK_SECRETS": SECRET,
        "DAMAGE_INTERNAL_WEBHOOK_HOSTS": f"127.0.0.1:{receiver.port}",
        "DAMAGE_ALLOW_HTTP": "true",
        "DAMAGE_DELIVERY_DELAYS": "1,1,1,1,1,1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    return database_url


def save(url: str, count: int, target: str) -> None:
    store = Inspections(url, (target,))
    for number in range(count):
        found = finding(damage())
        store.save(inspection(f"task-{number}", found, sha256=f"{number:064x}"))
    store.close()


def fail_all(url: str) -> None:
    queue = DeliveryQueue(url)
    queue.record([Outcome(x, "answered 500") for x in queue.find(DeliverySelection())])
    queue.close()


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["deliveries", *arguments], catch_exceptions=False)


def wait_until(happened: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)


def test_deliveries_are_listed_and_counted(url: str, receiver: WebhookReceiver) -> None:
    save(url, 2, receiver.url)
    fail_all(url)
    save(url, 3, receiver.url)
    lines = run("list", "--json").stdout.splitlines()
    assert [json.loads(line)["inspection_id"] for line in lines] == ["task-2", "task-1", "task-0"]
    shown = run("list", "--state", "failed").stdout
    assert "answered 500" in " ".join(shown.split())
    assert shown.rstrip().endswith("failed: 2")
    assert "task-2" in run("list", "--json", "--inspection", "task-2").stdout


def test_a_delivery_is_shown_with_its_event(url: str, receiver: WebhookReceiver) -> None:
    save(url, 1, receiver.url)
    id = json.loads(run("list", "--json").stdout)["id"]
    shown = json.loads(run("show", str(id)).stdout)
    assert shown["event"]["type"] == "inspection.completed"
    assert shown["event"]["data"]["verdict"] == "damaged"
    assert (shown["state"], shown["target"]) == ("waiting", receiver.url)


def test_an_unknown_delivery_is_an_error(url: str) -> None:
    from damage_tasks.errors import DeliveryNotFound

    with pytest.raises(DeliveryNotFound):
        run("show", "7")


def test_replay_makes_failed_deliveries_wait_again(url: str, receiver: WebhookReceiver) -> None:
    save(url, 2, receiver.url)
    fail_all(url)
    assert CliRunner().invoke(cli, ["deliveries", "replay"], input="n\n").exit_code == 1
    done = run("replay", "--yes")
    assert done.stdout == f"{receiver.url}: 2\nreplay: 2\n"
    assert run("list", "--state", "failed").stdout == "deliveries: 0\n"
    assert run("replay", "--yes").stdout == "replay: 0\n"


def test_drop_deletes_only_what_it_names(url: str, receiver: WebhookReceiver) -> None:
    save(url, 2, receiver.url)
    assert run("drop", "--yes").stdout == "drop: 0\n", "only failed ones by default"
    id = json.loads(run("list", "--json", "--limit", "1").stdout)["id"]
    assert run("drop", "--id", str(id), "--yes").stdout.endswith("drop: 1\n")
    assert run("list").stdout.rstrip().endswith("waiting: 1")


def test_targets_are_tried_with_a_test_event(url: str, receiver: WebhookReceiver) -> None:
    assert run("test").stdout == f"ok    {receiver.url} \n"
    (request,) = receiver.accepted
    assert json.loads(request.body)["type"] == "webhook.test"
    receiver.behave = answer(404)
    done = run("test", "--target", receiver.url)
    assert done.exit_code == 1
    assert "answered 404" in done.stdout


@pytest.mark.server
def test_a_killed_process_loses_no_event(
    url: str, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    deliverer = Child(
        "deliverer",
        [sys.executable, "-m", "damage_tasks", "deliver"],
        log=tmp_path / "deliver.log",
        environment={**os.environ, "DAMAGE_HEARTBEAT_FILE": str(tmp_path / "heartbeat")},
    )
    deliverer.start()
    deliverer.wait_for("delivering events", 60)
    save(url, 20, receiver.url)
    wait_until(lambda: len(receiver.accepted) >= 3)
    deliverer.kill()
    deliverer.start_again()
    save(url, 40, receiver.url)  # the first 20 have their verdicts already
    # What the killed process had claimed is due again after its lease.
    wait_until(lambda: len({r.headers["webhook-id"] for r in receiver.accepted}) == 40, 120)
    probe = Path(__file__).parents[2] / "damage_tasks/worker/probe.sh"
    environment = {**os.environ, "DAMAGE_HEARTBEAT_FILE": str(tmp_path / "heartbeat")}
    subprocess.run(["sh", str(probe), "live"], env=environment, check=True, capture_output=True)
    os.kill(deliverer.pid, signal.SIGTERM)
    assert deliverer.wait(30) == 0
    assert "stopped delivering events" in deliverer.log.read_text()


def test_a_deliverer_without_a_secret_says_so_in_one_line(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAMAGE_WEBHOOK_SECRETS")
    done = subprocess.run(
        [sys.executable, "-m", "damage_tasks", "deliver"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("settings: DAMAGE_WEBHOOK_SECRETS: is not set")
    assert len(done.stderr.splitlines()) == 1
