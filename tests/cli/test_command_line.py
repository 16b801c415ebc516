"""The command line as a whole, and `celery` with other applications."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from damage_tasks.devstack import Stack
from damage_tasks.devstack.child_processes import Child
from damage_tasks.errors import StackError
from tests.integration.test_cli import run


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == f"damage-tasks {version('damage-tasks')}\n"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("stack", "--dir", "file/below", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].endswith("file/below: Not a directory")


def test_a_worker_with_a_wrong_setting_says_so_in_one_record() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "damage_tasks", "worker"],
        env={**os.environ, "DAMAGE_TIME_LIMIT": "soon"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = (done.stdout + done.stderr).splitlines()
    assert json.loads(line)["event"].startswith("settings_invalid: DAMAGE_TIME_LIMIT: ")
    assert "Example: DAMAGE_TIME_LIMIT=90" in line


def test_a_stack_that_never_ran_leaves_anothers_file_alone(tmp_path: Path) -> None:
    (tmp_path / "stack.env").touch()
    Stack(tmp_path).stop()
    assert (tmp_path / "stack.env").exists()


@pytest.mark.server
def test_a_program_that_has_ended_is_noticed_with_its_last_line(tmp_path: Path) -> None:
    child = Child(
        "worker 1", [sys.executable, "-c", "print('out of luck')"],
        log=tmp_path / "log", environment={},
    )  # fmt: skip
    child.start()
    child.wait(30)
    with pytest.raises(StackError, match="worker 1 ended: out of luck"):
        child.check()
