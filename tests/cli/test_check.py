"""`damage-tasks check` looks, and changes nothing."""

from __future__ import annotations

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


def test_a_light_installation_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "damage_tasks.vision.segmenter", None)
    monkeypatch.setitem(sys.modules, "damage_tasks.vision.self_test", None)
    run = CliRunner().invoke(cli, ["check"])
    assert run.exit_code == 1
    (line,) = [line for line in run.output.splitlines() if " bundle " in line]
    assert "pip install 'damage-tasks[worker]'" in line
