"""`damage-tasks check` only reads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.cli.check import WORKER_MODULES
from damage_tasks.evidence.signatures import new_key
from damage_tasks.settings import get_settings
from tools.small_redaction_bundle import write_redaction_bundle


def test_a_database_that_is_not_there_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "none/damage.db"
    monkeypatch.setenv("DAMAGE_DATABASE_URL", f"sqlite:///{file}")
    run = CliRunner().invoke(cli, ["check"])
    assert run.exit_code == 1
    assert f"there is no {file}; run `damage-tasks migrate`" in run.output
    assert not file.parent.exists()


def check_without(modules: Iterable[str], **environment: str) -> tuple[int, dict[str, str]]:
    """The exit status of a check where ``modules`` are not installed, and its lines by name."""
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({list(modules)}));"
        "sys.argv = ['x', 'check']; from damage_tasks.__main__ import main; main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (line.split(None, 2) for line in run.stdout.splitlines())
    return run.returncode, {words[1]: " ".join([words[0], *words[2:]]) for words in lines}


@pytest.mark.slow
def test_a_missing_library_of_a_worker_is_named_with_its_install_command() -> None:
    status, lines = check_without(["cv2"])
    assert status == 1
    assert lines["bundle"].startswith("wrong needs cv2: pip install 'damage-tasks[worker]'")


def test_a_caller_who_reads_verdicts_is_checked_for_what_it_needs(
    aws: Any, migrated_postgres_url: str
) -> None:
    status, lines = check_without(
        WORKER_MODULES,
        DAMAGE_QUEUE_URL=aws.create_queues("check-caller"),
        DAMAGE_DATABASE_URL=migrated_postgres_url,
    )
    assert status == 0, lines
    assert lines["queue"].startswith("ok http")
    assert lines["database"] == "ok postgresql: verdicts can be read"
    assert lines["store"] == lines["bundle"]
    assert lines["store"].startswith("skipped only workers use it")


def test_a_caller_may_have_libraries_that_workers_need_too(
    aws: Any, migrated_postgres_url: str
) -> None:
    status, lines = check_without(
        ["simplejpeg"],
        DAMAGE_QUEUE_URL=aws.create_queues("check-caller-with-numpy"),
        DAMAGE_DATABASE_URL=migrated_postgres_url,
    )
    assert status == 0, lines
    assert lines["bundle"].startswith("skipped only workers use it")


def test_a_database_without_tables_is_reported(aws: Any, postgres_url: str) -> None:
    status, lines = check_without(
        WORKER_MODULES,
        DAMAGE_QUEUE_URL=aws.create_queues("check-tables"),
        DAMAGE_DATABASE_URL=postgres_url,
    )
    assert status == 1
    assert "run `damage-tasks migrate`" in lines["database"]


def test_the_redaction_bundle_is_checked_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def line() -> str:
        get_settings.cache_clear()
        output = CliRunner().invoke(cli, ["check"]).output
        return next((line for line in output.splitlines() if " redaction " in line), "")

    monkeypatch.setenv("DAMAGE_BUNDLE", str(tmp_path / "missing"))  # loading one takes long
    assert line() == ""
    monkeypatch.setenv("DAMAGE_REDACT_BUNDLE", str(tmp_path / "redaction"))
    assert "wrong" in line()
    assert "faces and plates cannot be redacted" in line()
    write_redaction_bundle(tmp_path / "redaction")
    assert "plates (experimental), faces (experimental)" in line()


def test_the_key_of_evidence_is_checked_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def line() -> str:
        get_settings.cache_clear()
        output = CliRunner().invoke(cli, ["check"]).output
        return next((line for line in output.splitlines() if " evidence " in line), "")

    file = tmp_path / "key.pem"
    monkeypatch.setenv("DAMAGE_BUNDLE", str(tmp_path / "missing"))  # loading one takes long
    assert line() == ""
    monkeypatch.setenv("DAMAGE_EVIDENCE_KEY", str(file))
    assert line().startswith("wrong") and "DAMAGE_EVIDENCE_KEY: the file cannot be read" in line()
    file.write_bytes(new_key())
    assert line().startswith("ok") and "signed with the key" in line()
