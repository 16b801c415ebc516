"""`damage-tasks check` looks, and changes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli


def test_a_database_that_is_not_there_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "none/damage.db"
    monkeypatch.setenv("DAMAGE_DATABASE_URL", f"sqlite:///{file}")
    run = CliRunner().invoke(cli, ["check"])
    assert run.exit_code == 1
    assert f"there is no {file}; run `damage-tasks migrate`" in run.output
    assert not file.parent.exists()


def test_a_light_installation_is_told_what_to_install() -> None:
    program = (
        "import sys; sys.modules['cv2'] = None; sys.argv = ['x', 'check'];"
        "from damage_tasks.__main__ import main; main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    (line,) = [line for line in run.stdout.splitlines() if " bundle " in line]
    assert "pip install 'damage-tasks[worker]'" in line
