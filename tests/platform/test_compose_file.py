"""The text of the compose file and the Dockerfile; `make test-containers` runs them."""

from __future__ import annotations

import configparser
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.settings import PREFIX, Settings
from tests.helm.chart import CHART, render
from tests.platform.template import ROOT
from tools.image_wheels import EXTRAS

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NAMES = {PREFIX + name.upper() for name in Settings.model_fields}
ONCE = {"prepare", "migrate", "submit"}


def test_everything_is_published_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) >= 6
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_service_that_stays_has_a_health_check() -> None:
    assert {name for name, each in SERVICES.items() if "healthcheck" not in each} == ONCE


def test_every_service_that_stays_has_time_to_write_down_what_it_holds() -> None:
    staying = [name for name, service in SERVICES.items() if "healthcheck" in service]
    assert not [name for name in staying if "stop_grace_period" not in SERVICES[name]]


@pytest.mark.parametrize("service", ["worker", "deliverer", "flower"])
def test_its_settings_are_valid_as_they_are(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES[service]["environment"].items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)))
    assert Settings().environment == "compose"


def test_each_image_is_built_by_one_service() -> None:
    built = [service["image"] for service in SERVICES.values() if "build" in service]
    assert len(built) == len(set(built)) == 2


def check_ports(folder: Path, **ports: str) -> list[str]:
    """The lines that `make up` would end with, in a copy of the checkout's files."""
    script = folder / "deploy/docker/check_ports.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "deploy/docker/check_ports.py", script)
    shutil.copy(ROOT / "docker-compose.yml", folder)
    unset = {name: value for name, value in os.environ.items() if not name.endswith("_PORT")}
    run = subprocess.run(
        [sys.executable, script],
        env={**unset, **ports},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == bool(run.stderr)
    return run.stderr.splitlines()


@pytest.fixture
def free_ports() -> dict[str, str]:
    variables = re.findall(r"\$\{(\w+_PORT):-", (ROOT / "docker-compose.yml").read_text())
    ports: set[int] = set()
    while len(ports) < len(variables):
        ports.add(free_port())
    return {name: str(port) for name, port in zip(variables, sorted(ports), strict=True)}


def test_free_ports_are_accepted(tmp_path: Path, free_ports: dict[str, str]) -> None:
    assert check_ports(tmp_path, **free_ports) == []


def test_a_port_in_use_is_named_with_its_variable_and_a_free_port(
    tmp_path: Path, free_ports: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = {"POSTGRES_PORT": str(port), "REVIEW_PORT": str(port + 1)}
        (line,) = check_ports(tmp_path, **free_ports | taken)
    assert f"port {port} is in use" in line
    (advised,) = re.findall(r"POSTGRES_PORT=(\d+) make up", line)
    assert int(advised) > port + 1


def test_the_ports_of_the_env_file_are_checked_as_compose_reads_them(
    tmp_path: Path, free_ports: dict[str, str]
) -> None:
    lines = [f"{name}={port}" for name, port in free_ports.items()]
    (tmp_path / ".env").write_text("\n".join(["# ports", *lines]) + "\n")
    assert check_ports(tmp_path) == []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (tmp_path / ".env").write_text("\n".join([*lines, f'FLOWER_PORT="{port}"']))
        (line,) = check_ports(tmp_path)
    assert f"port {port} is in use" in line


def test_two_services_with_one_port_are_named(tmp_path: Path, free_ports: dict[str, str]) -> None:
    port = free_ports["FLOWER_PORT"]
    (line,) = check_ports(tmp_path, **free_ports | {"REVIEW_PORT": port})
    assert line.startswith(f"REVIEW_PORT and FLOWER_PORT are both {port}: choose another port")


@pytest.mark.parametrize("port", ["abc", "0", "99999", "-1"])
def test_a_port_that_is_none_is_named(
    tmp_path: Path, free_ports: dict[str, str], port: str
) -> None:
    (line,) = check_ports(tmp_path, **free_ports | {"POSTGRES_PORT": port})
    assert line == f"POSTGRES_PORT is '{port}': choose a number from 1 to 65535"


def test_no_image_moves() -> None:
    for name, service in SERVICES.items():
        assert not service["image"].endswith(":latest"), name
        assert ":" in service["image"], name


def test_every_setting_of_the_compose_file_exists() -> None:
    for service in SERVICES.values():
        used = {key for key in service.get("environment", {}) if key.startswith(PREFIX)}
        assert used <= NAMES


def test_the_application_runs_as_restricted_as_in_the_cluster() -> None:
    for name in (
        "worker",
        "flower",
        "review",
        "deliverer",
        "migrate",
        "prepare",
        "submit",
        "inbox",
    ):
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ["worker", "deliverer"])
def test_a_process_has_as_long_to_end_as_in_the_cluster(name: str) -> None:
    pods = render({"settings": {"DAMAGE_CALLBACK_HOSTS": ["rental.example"]}}).pods
    grace = pods[f"Deployment/damage-tasks-{name}"]["terminationGracePeriodSeconds"]
    assert SERVICES[name]["stop_grace_period"] == f"{grace}s"


def test_worker_and_flower_start_as_in_the_cluster() -> None:
    pods = render({"logs": {"shipping": "sidecar", "bucket": "logs"}}).pods
    worker = pods["Deployment/damage-tasks-worker"]["containers"][0]
    assert SERVICES["worker"]["entrypoint"] == worker["command"]
    assert SERVICES["worker"]["command"] == worker["args"]
    events = render({"settings": {"DAMAGE_CALLBACK_HOSTS": ["rental.example"]}}).pods
    deliverer = events["Deployment/damage-tasks-deliverer"]["containers"][0]
    assert SERVICES["deliverer"]["command"] == deliverer["args"]
    flower = pods["Deployment/damage-tasks-flower"]["containers"][0]
    assert SERVICES["flower"]["command"] == flower["args"]


def test_images_of_others_are_the_charts() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    bus, logs = (
        "{registry}/{repository}:{tag}".format(**values[part]["image"])
        for part in ("eventBus", "logs")
    )
    assert SERVICES["event-bus"]["image"].split("@")[0] == bus
    assert SERVICES["fluent-bit"]["image"].split("@")[0] == logs + "-debug"


def test_mounted_files_exist() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
            else:
                assert source in COMPOSE["volumes"], source


def test_the_variables_of_fluent_bits_configuration_are_set() -> None:
    text = (CHART / "files/fluent-bit.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)\}", text))
    assert used <= set(SERVICES["fluent-bit"]["environment"])


def test_grafana_gets_the_dashboard_and_the_prometheus_that_it_asks() -> None:
    folder = ROOT / "deploy/docker/grafana"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    dashboard = json.loads((CHART / "files/dashboard.json").read_text())
    requested = {target["datasource"]["uid"] for target in _datasources(dashboard)}
    assert requested <= {source["uid"], "-- Grafana --", "${datasource}", "$datasource"}


def _datasources(node: Any) -> list[dict[str, Any]]:
    found = []
    if isinstance(node, dict):
        if isinstance(node.get("datasource"), dict) and "uid" in node["datasource"]:
            found.append(node)
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            found += _datasources(child)
    return found


def test_prometheus_asks_workers_where_they_answer() -> None:
    config = yaml.safe_load((ROOT / "deploy/docker/prometheus.yml").read_text())
    job = next(job for job in config["scrape_configs"] if job["job_name"] == "worker")
    assert job["dns_sd_configs"][0]["port"] == SERVICES["worker"]["environment"][
        "DAMAGE_METRICS_PORT"
    ]  # fmt: skip


# --- the image --------------------------------------------------------------------------------


def test_the_image_has_the_python_that_the_tests_run_on() -> None:
    base = re.search(
        r"^ARG PYTHON=docker\.io/library/python:(\d\.\d+)-slim-bookworm@sha256:[0-9a-f]{64}$",
        DOCKERFILE,
        re.MULTILINE,
    )
    emulator = (ROOT / "deploy/docker/emulator.Dockerfile").read_text()
    assert base is not None
    assert f"{base[0]}\n" in emulator
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == [
        "${PYTHON}",
        "needs",
        "${PYTHON}",
    ]
    workflow = yaml.safe_load((ROOT / ".github/workflows/check.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"][0] == base[1]


def test_the_image_runs_by_number_under_tini() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert 'ENTRYPOINT ["/usr/bin/tini", "--"]' in DOCKERFILE
    # -g would forward SIGTERM to the worker's processes too, which would then drop their photos.
    assert '"-g"' not in DOCKERFILE


def test_the_images_command_is_the_charts() -> None:
    command = json.loads(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1])
    args = render().pods["Deployment/damage-tasks-worker"]["containers"][0]["args"]
    assert [*command[:1], "--app=damage_tasks", *command[3:]] == args


def test_the_build_sees_no_weights_no_tests_and_no_secrets(tmp_path: Path) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {"model_store/default", "**/*.safetensors"} <= set(rules)
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert allowed == {
        "damage_tasks", "model_store", "worker_config.py", "setup.cfg", "pyproject.toml",
        "constraints.txt", "README.md", "LICENSE", "NOTICE", "deploy/docker/log-copy.sh",
        "deploy/docker/requirements-*.txt",
    }  # fmt: skip
    for source in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        assert all(name == "." or name in allowed for name in source.split())


def test_the_image_brings_every_engine_and_page() -> None:
    assert set(EXTRAS) == {"worker", "openvino", "flower", "review", "otel"}
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert set(EXTRAS) <= set(setup["options.extras_require"])


def test_a_changed_text_moves_no_gigabyte() -> None:
    needs = DOCKERFILE.split(" AS needs")[1].split("\nFROM ")[0]
    copied = " ".join(re.findall(r"^COPY (.*) \./$", needs, re.MULTILINE)).split()
    assert set(copied) == {"constraints.txt", "deploy/docker/requirements-*.txt"}


# --- the copy of the log ----------------------------------------------------------------------

PROGRAM = r"""
import signal, sys, time
def end(*_):
    print("draining", flush=True); time.sleep(0.3); print("drained", flush=True); sys.exit(3)
signal.signal(signal.SIGTERM, end)
for number in range(25):
    print("line", number, flush=True)
print("ready", file=sys.stderr, flush=True)
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def copied(tmp_path: Path) -> Any:
    """A program that logs under damage-log-copy, and the file with the copy."""
    program, log = tmp_path / "program.py", tmp_path / "worker.log"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        ["sh", ROOT / "deploy/docker/log-copy.sh", sys.executable, program],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LOG_FILE": str(log), "LOG_LINES": "10"},
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process, log
    process.kill()
    assert process.stdout is not None
    process.stdout.close()


def test_the_log_is_copied_to_its_last_line(copied: Any) -> None:
    process, log = copied
    seen = []
    for line in process.stdout:
        seen.append(line.strip())
        if seen[-1] == "ready":
            process.terminate()
    assert process.wait(10) == 3
    assert seen[-3:] == ["ready", "draining", "drained"]
    assert log.read_text().splitlines()[-1] == "drained"


def test_replicas_that_share_a_folder_write_separate_files(tmp_path: Path) -> None:
    shared = SERVICES["worker"]["environment"]["LOG_FILE"]
    (read,) = yaml.safe_load((CHART / "files/fluent-bit.yaml").read_text())["pipeline"]["inputs"]
    script = ROOT / "deploy/docker/log-copy.sh"
    subprocess.run(
        ["sh", script, "echo", "hello"],
        env={"PATH": os.environ["PATH"], "LOG_FILE": f"{tmp_path}/{Path(shared).name}"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (log,) = tmp_path.iterdir()
    assert log.name == f"worker-{platform.node()}.log"
    assert log.read_text() == "hello\n"
    assert fnmatch(f"{Path(shared).parent}/{log.name}", read["path"])


def test_the_copy_does_not_grow_forever(copied: Any) -> None:
    process, log = copied
    assert any(line == "ready\n" for line in process.stdout)
    process.terminate()
    process.wait(10)
    older = log.with_name("worker.log.1")
    assert len(older.read_text().splitlines()) == 10
    assert len(log.read_text().splitlines()) < 10


def test_a_photo_that_is_not_there_is_named_and_nothing_is_made_of_it() -> None:
    name = "no such car.jpg"
    run = subprocess.run(
        ["make", "submit", f"PHOTO={name}"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode
    assert run.stderr.startswith(f"no such photo: {name}\n")
    assert not (ROOT / name).exists()
