"""Access to Flower, and behaviour without an event bus."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from damage_tasks.devstack import Stack
from damage_tasks.devstack.child_processes import Child
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.errors import FlowerDatabaseInUse, FlowerOpen, SettingsError
from damage_tasks.event_bus.connection import check_bus
from damage_tasks.flower.access import claim_database, is_own_host, refuse_open_access
from damage_tasks.http_access import is_loopback
from damage_tasks.settings import get_settings
from tests.operators.conftest import wait_until


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::", "10.0.0.7", "flower.acme.example"])
def test_beyond_loopback_flower_requires_authentication(address: str) -> None:
    assert not is_loopback(address)
    options = SimpleNamespace(
        unix_socket="", basic_auth=None, auth="", auth_provider=None, address=address
    )
    with pytest.raises(FlowerOpen, match="without authentication"):
        refuse_open_access(options)
    options.basic_auth = ["ops:secret"]
    refuse_open_access(options)
    options.basic_auth, options.auth = None, ".*@acme.example"
    with pytest.raises(FlowerOpen, match="nobody can log in"):
        refuse_open_access(options)
    options.auth_provider = "flower.views.auth.GoogleAuth2LoginHandler"
    refuse_open_access(options)


@pytest.mark.parametrize("given", [[""], ["", ""], ["ops"], [":"], ["ops:"], ["ops:secret", ":x"]])
def test_an_empty_password_is_none(given: list[str]) -> None:
    options = SimpleNamespace(unix_socket="", basic_auth=given, auth="", address="0.0.0.0")
    with pytest.raises(FlowerOpen):
        refuse_open_access(options)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("sqs://", "sqs has no fanout; use redis:// or amqp://"),
        ("http://bus", "No such transport: http"),
        ("redis://bus:port/0", "Port could not be cast"),
    ],
)
def test_a_bus_that_can_carry_no_events_is_named(
    url: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_EVENT_BUS_URL", url)
    get_settings.cache_clear()
    with pytest.raises(SettingsError, match=f"DAMAGE_EVENT_BUS_URL: .*{complaint}"):
        check_bus()


@pytest.mark.parametrize(
    ("host", "own"),
    [("localhost", True), ("127.0.0.1", True), ("127.8.8.8", True), ("[::1]", True),
     ("flower.acme.example", True), ("evil.example", False), ("", False), ("10.0.0.7", False),
     ("localhost.evil.example", False), ("127.0.0.1.evil.example", False)],
)  # fmt: skip
def test_without_a_password_only_its_own_names_reach_flower(host: str, own: bool) -> None:
    options = SimpleNamespace(unix_socket="", basic_auth=[], auth="", address="127.0.0.1")
    assert is_own_host(host, options, "https://flower.acme.example/ops") is own
    options.basic_auth = ["ops:secret"]
    assert is_own_host(host, options, None)


def flower(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **settings}
    return subprocess.run(
        [sys.executable, "-m", "damage_tasks", "flower", *words],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.server
def test_the_command_refuses_missing_authentication_and_a_missing_bus() -> None:
    bus = {"DAMAGE_EVENT_BUS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    for opened in (flower("--address=0.0.0.0", **bus), flower(FLOWER_ADDRESS="", **bus)):
        assert opened.returncode == 1
        assert opened.stderr.startswith("flower_open: Flower would listen on")
    missing = flower()
    assert missing.returncode == 1
    assert missing.stderr.startswith("event_bus_missing: set DAMAGE_EVENT_BUS_URL")


@pytest.mark.server
def test_a_password_is_required(tmp_path: Path) -> None:
    port = free_port()
    child = Child(
        "Flower",
        [sys.executable, "-m", "damage_tasks", "flower", "--address=0.0.0.0", f"--port={port}",
         f"--db={tmp_path}/flower"],
        log=tmp_path / "flower.log",
        environment={
            **os.environ,
            # It also answers while its bus is unavailable.
            "DAMAGE_EVENT_BUS_URL": f"redis://127.0.0.1:{free_port()}/0",
            "FLOWER_BASIC_AUTH": "ops:secret",
            "AWS_REGION": "us-east-1",
        },
    )  # fmt: skip
    child.start()
    child.wait_for("Visit me at", 60)

    def status(password: str | None, path: str = "/tasks") -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
        if password:
            token = base64.b64encode(f"ops:{password}".encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    assert (status(None), status("wrong"), status("secret")) == (401, 401, 200)
    assert status(None, "/api/tasks") == 401
    child.terminate()
    assert child.wait(20) == 0


@pytest.mark.server
def test_flower_on_a_full_disk_loses_its_history_with_one_warning(
    full_disk: Path, tmp_path: Path
) -> None:
    port = free_port()
    child = Child(
        "Flower",
        [sys.executable, "-m", "damage_tasks", "flower", f"--port={port}",
         f"--db={full_disk}/flower", "--state-save-interval=200"],
        log=tmp_path / "flower.log",
        environment={
            **os.environ,
            "DAMAGE_EVENT_BUS_URL": f"redis://127.0.0.1:{free_port()}/0",
            "AWS_REGION": "us-east-1",
        },
    )  # fmt: skip
    child.start()
    child.wait_for("a restart will lose the history", 60)
    time.sleep(1)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck", timeout=60) as answer:
        assert answer.status == 200
    child.terminate()
    assert child.wait(20) == 0
    log = child.log.read_text()
    assert log.count("a restart will lose the history") == 1
    assert "Traceback" not in log


@pytest.mark.xdist_group("watched")
def test_other_web_pages_cannot_give_commands(watched: Stack) -> None:
    assert watched.flower is not None
    request = urllib.request.Request(
        f"{watched.flower.url}/api/worker/shutdown/worker1@vm", method="POST", data=b""
    )
    request.add_header("Sec-Fetch-Site", "cross-site")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 403
    refused.value.close()
    old = urllib.request.Request(request.full_url, method="POST", data=b"")
    old.add_header("Origin", "https://evil.example")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(old, timeout=60)
    assert refused.value.code == 403
    refused.value.close()


@pytest.mark.xdist_group("watched")
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/tasks"), ("GET", "/tasks"), ("GET", "/metrics"),
     ("GET", "/static/css/flower.css"), ("POST", "/api/worker/pool/grow/worker1@vm?n=1"),
     ("GET", "/none")],
)  # fmt: skip
def test_a_foreign_host_header_reads_and_changes_nothing(
    watched: Stack, method: str, path: str
) -> None:
    assert watched.flower is not None
    request = urllib.request.Request(watched.flower.url + path, method=method)
    # A web site whose name leads to loopback: to the browser, this is the site itself.
    request.add_header("Host", f"evil.example:{watched.flower.port}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 403
    refused.value.close()


@pytest.mark.xdist_group("watched")
def test_a_second_flower_on_the_same_database_is_refused(watched: Stack) -> None:
    second = flower(f"--db={watched.folder}/flower", f"--port={free_port()}", **watched.environment)
    assert second.returncode == 1
    assert second.stderr.startswith("flower_database_in_use: another Flower stores its history in")


@pytest.mark.parametrize("link", ["database", "folder", "database that does not exist"])
def test_no_other_path_leads_to_a_database_in_use(link: str, tmp_path: Path) -> None:
    database = tmp_path / "var/flower"
    database.parent.mkdir()
    if link != "database that does not exist":
        database.touch()
    (tmp_path / "flower").symlink_to(database)
    (tmp_path / "run").symlink_to(database.parent)
    other = tmp_path / "run/flower" if link == "folder" else tmp_path / "flower"
    with claim_database(database):
        for path in (other, database.parent / "../var/flower"):
            with pytest.raises(FlowerDatabaseInUse, match="another Flower stores its history in"):
                claim_database(path)
    claim_database(other).close()


@pytest.mark.xdist_group("watched")
def test_other_web_pages_cannot_read_photos(watched: Stack) -> None:
    assert watched.flower is not None
    request = urllib.request.Request(f"{watched.flower.url}/api/tasks")
    request.add_header("Origin", "https://evil.example")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] is None


@pytest.mark.server
def test_without_a_bus_the_worker_says_so_once_and_inspect_says_why(tmp_path: Path) -> None:
    with Stack(tmp_path, processes=1) as stack:
        log = stack.workers[0].log
        wait_until(lambda: "no event bus" in log.read_text(), "the line")
        done = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "damage_tasks", "inspect", "ping"],
            env={**os.environ, **stack.environment},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "set DAMAGE_EVENT_BUS_URL" in done.stdout + done.stderr
        assert log.read_text().count("no event bus") == 1
    # Every line, from the first to the last, is one JSON object.
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events.index("worker starts") < events.index("worker: Warm shutdown (MainProcess)")


@pytest.mark.server
def test_the_embedded_stack_names_flower_and_its_bus(tmp_path: Path) -> None:
    with Stack(tmp_path, processes=1, flower=True) as stack:
        named = dict(
            line.split("=", 1) for line in stack.env_file.read_text().splitlines() if "=" in line
        )
        assert named["DAMAGE_EVENT_BUS_URL"].startswith("redis://127.0.0.1:")
        with urllib.request.urlopen(named["FLOWER_URL"] + "/workers", timeout=60) as answer:
            assert answer.status == 200
        done = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "damage_tasks", "inspect", "ping", "-t", "5"],
            env={**os.environ, **stack.environment},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "pong" in done.stdout
