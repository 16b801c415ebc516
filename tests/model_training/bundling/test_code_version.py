"""A bundle names the commit of the code that made it, if there is one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from model_training.bundling import code_version as module
from model_training.bundling.code_version import code_version


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module's file in a git repository, not yet committed."""
    file = tmp_path / "model_training/__init__.py"
    file.parent.mkdir()
    file.write_text("1")
    git(tmp_path, "init", "--quiet")
    monkeypatch.setattr(module, "CLONE", tmp_path)
    monkeypatch.setattr(module, "__file__", str(file))
    return file


def test_the_commit_is_named_and_changes_to_it(file: Path) -> None:
    clone = file.parent.parent
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "-m", "a")
    found = code_version()
    assert found.commit == git(clone, "rev-parse", "HEAD")
    assert not found.dirty
    (clone / "notes.txt").write_text("not code")
    assert not code_version().dirty
    (file.parent / "new.py").write_text("2")
    assert code_version().dirty


def test_the_commit_of_another_repository_is_not_named(file: Path) -> None:
    assert code_version().commit == ""
    assert code_version().version


def test_an_installation_without_git_has_a_version(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert code_version().commit == ""
