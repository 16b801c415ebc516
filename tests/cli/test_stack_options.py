"""The arguments of `damage-tasks stack`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks import devstack
from damage_tasks.__main__ import cli
from damage_tasks.devstack import embedded_stack
from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.devstack.child_processes import Child
from damage_tasks.errors import StackError
from damage_tasks.settings import Settings, get_settings


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_a_database_url_may_omit_its_driver(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    class Stack:
        def __init__(self, *_: Any, **options: Any) -> None:
            given.update(options)

        def __enter__(self) -> None:
            raise StackError("far enough")

    monkeypatch.setattr(devstack, "Stack", Stack)
    CliRunner().invoke(cli, ["stack", "--database-url", f"{scheme}://damage@127.0.0.1/damage"])
    assert given["database_url"] == "postgresql+psycopg2://damage@127.0.0.1/damage"


@pytest.mark.parametrize("url", ["mysql://damage@127.0.0.1/damage", "damage.db", ""])
def test_another_database_is_refused(url: str) -> None:
    run = CliRunner().invoke(cli, ["stack", "--database-url", url])
    assert run.exit_code == 2
    assert "must begin with postgresql" in " ".join(run.output.replace("│", " ").split())


def test_an_urgent_queue_and_buckets_of_uploads_are_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, Any] = {}
    buckets: list[str] = []

    class Stack:
        def __init__(self, *_: Any, **options: Any) -> None:
            given.update(options)

        def __enter__(self) -> None:
            pass

        def receive_uploads(self, bucket: str) -> None:
            buckets.append(bucket)
            if len(buckets) == 2:
                raise KeyboardInterrupt

        def stop(self) -> None:
            pass

    monkeypatch.setattr(devstack, "Stack", Stack)
    monkeypatch.setenv("DAMAGE_INTAKE_BUCKETS", "returns,rentals")
    get_settings.cache_clear()
    CliRunner().invoke(cli, ["stack", "--urgent"])
    assert given["urgent_queue"] is True
    assert given["settings"] == {"DAMAGE_INTAKE_BUCKETS": "returns,rentals"}
    assert buckets == ["returns", "rentals"]


class StartedParts:
    """Records the environment of each part of a stack instead of starting it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.environments: dict[str, dict[str, str]] = {}
        create = Child.__init__

        def record(child: Child, name: str, command: list[str], **options: Any) -> None:
            self.environments[name] = options["environment"]
            create(child, name, command, **options)

        monkeypatch.setattr(Child, "__init__", record)
        monkeypatch.setattr(Child, "start", lambda _: None)
        monkeypatch.setattr(Child, "wait_for", lambda *_, **__: None)
        monkeypatch.setattr(Child, "terminate", lambda _: None)
        monkeypatch.setattr(Child, "wait", lambda *_, **__: 0)
        monkeypatch.setattr(Emulator, "start", lambda _: {})
        monkeypatch.setattr(Emulator, "create_queues", lambda *_: "http://127.0.0.1:1/0/damage")
        monkeypatch.setattr(Emulator, "create_bucket", lambda *_: None)
        monkeypatch.setattr(Emulator, "announce_uploads", lambda *_: None)
        monkeypatch.setattr(embedded_stack, "_migrate", lambda _: None)

        def press_ctrl_c(_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(embedded_stack.Stack, "start_ended_workers", press_ctrl_c)


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Every setting, exported with the example of its documentation."""
    values = {
        f"DAMAGE_{name.upper()}": str((field.examples or [""])[0])
        for name, field in Settings.model_fields.items()
    } | {"DAMAGE_INTAKE_BUCKETS": "acme-photos", "DAMAGE_LOG_LEVEL": "ERROR"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    return values


@pytest.mark.parametrize("options", [[], ["--urgent", "--processes", "2", "--bundle", "own"]])
def test_every_exported_setting_reaches_the_parts_or_a_line_says_that_it_does_not(
    options: list[str],
    exported: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = StartedParts(monkeypatch)
    run = CliRunner().invoke(cli, ["stack", "--dir", str(tmp_path), *options])
    assert run.exit_code == 0, run.output
    assert {"worker 1", "the inspectors' page", "Flower", "deliverer"} < set(parts.environments)
    lost = {
        (part, name)
        for part in ("worker 1", "the inspectors' page", "Flower", "deliverer")
        for name, value in exported.items()
        if parts.environments[part].get(name) != value
        and f"{name} is not used" not in run.output
        and not (name == "DAMAGE_METRICS_PORT" and "used by the worker only" in run.output)
    }
    assert not lost
    assert parts.environments["worker 1"]["DAMAGE_METRICS_PORT"] == "9808"
    assert parts.environments["the inspectors' page"]["DAMAGE_METRICS_PORT"] == "0"
    assert parts.environments["deliverer"]["DAMAGE_METRICS_PORT"] == "0"
    not_used = {line.split()[0] for line in run.output.splitlines() if "is not used" in line}
    replaced = {"DAMAGE_CONCURRENCY", "DAMAGE_BUNDLE"} if options else set()
    assert not_used == replaced | {
        "DAMAGE_QUEUE_URL",
        "DAMAGE_URGENT_QUEUE_URL",
        "DAMAGE_BUCKET",
        "DAMAGE_DATABASE_URL",
        "DAMAGE_EVENT_BUS_URL",
        "DAMAGE_HEARTBEAT_FILE",
        "DAMAGE_LOG_LEVEL",
    }


@pytest.mark.parametrize(
    "name", ["DAMAGE_BUNDLE", "DAMAGE_REDACT_BUNDLE", "DAMAGE_EVIDENCE_KEY",
             "DAMAGE_CLOUDFRONT_PRIVATE_KEY"]
)  # fmt: skip
def test_paths_are_absolute_because_other_shells_use_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = StartedParts(monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").touch()
    monkeypatch.setenv(name, "mine")
    get_settings.cache_clear()
    CliRunner().invoke(cli, ["stack", "--dir", str(tmp_path)])
    assert parts.environments["worker 1"][name] == str(tmp_path / "mine")


def test_a_wrong_setting_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = StartedParts(monkeypatch)
    monkeypatch.setenv("DAMAGE_KEEP_PHOTOS", "some")
    get_settings.cache_clear()
    run = CliRunner().invoke(cli, ["stack", "--dir", str(tmp_path)])
    assert "DAMAGE_KEEP_PHOTOS" in str(run.exception)
    assert not parts.environments


def test_a_stack_without_settings_prints_no_lines_about_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    StartedParts(monkeypatch)
    for name in [name for name in os.environ if name.startswith("DAMAGE_")]:
        monkeypatch.delenv(name)
    get_settings.cache_clear()
    run = CliRunner().invoke(cli, ["stack", "--dir", str(tmp_path)])
    assert run.exit_code == 0, run.output
    assert "DAMAGE_" not in run.output
