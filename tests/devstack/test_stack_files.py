"""Stacks in one folder do not share files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from damage_tasks.devstack.stack_files import StackFiles


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[StackFiles, StackFiles]]:
    files = StackFiles(tmp_path), StackFiles(tmp_path)
    yield files
    for each in files:
        each.release()


def test_a_second_stack_in_a_folder_has_its_own_files(
    two: tuple[StackFiles, StackFiles], tmp_path: Path
) -> None:
    first, second = two
    first.claim()
    second.claim()
    assert first.env_file == tmp_path / "stack.env"
    assert second.env_file == tmp_path / "stack-2.env"
    assert (first.logs, second.logs) == (tmp_path / "logs", tmp_path / "logs-2")
    assert first.database != second.database
    assert first.flower_history != second.flower_history


def test_the_next_stack_has_the_files_and_ports_of_one_that_ended(
    two: tuple[StackFiles, StackFiles],
) -> None:
    first, second = two
    first.claim()
    port = first.port("emulator")
    first.release()
    second.claim()
    assert second.database == first.database
    assert second.port("emulator") == port


def test_only_the_stack_that_claimed_the_files_removes_the_env_file(
    two: tuple[StackFiles, StackFiles],
) -> None:
    running, other = two
    running.claim()
    running.write_env_file({"DAMAGE_FILE_ROOTS": "/photos of cars"})
    other.remove_env_file()
    assert "DAMAGE_FILE_ROOTS='/photos of cars'\n" in running.env_file.read_text()
    running.remove_env_file()
    assert not running.env_file.exists()


def test_only_this_user_may_read_the_settings_of_a_stack(
    two: tuple[StackFiles, StackFiles],
) -> None:
    running, _ = two
    running.claim()
    running.env_file.with_suffix(".part").touch(mode=0o644)
    running.write_env_file({"DAMAGE_REVIEW_PASSWORDS": "ann:secret"})
    assert running.env_file.stat().st_mode & 0o777 == 0o600
