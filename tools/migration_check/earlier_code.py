"""The code of an earlier commit, which needs the history of the repository."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = "damage_tasks/migrations/versions"


def before_the_newest_migration() -> str:
    """The commit before the one that added the newest migration.

    Raises `LookupError` without the history, for example in a shallow clone.
    """
    newest = max(path.name for path in (ROOT / MIGRATIONS).glob("0*.py"))
    path = f"{MIGRATIONS}/{newest}"
    added = _git("log", "--diff-filter=A", "--format=%H", "--", path).split()
    if not added or not _git("rev-parse", "--verify", "--quiet", f"{added[-1]}^"):
        raise LookupError(f"the history does not contain the commit before {path}")
    return _git("rev-parse", f"{added[-1]}^")


def unpack(commit: str, folder: Path) -> Path:
    """Write the files of ``commit`` to ``folder``."""
    archive = subprocess.run(
        ["git", "archive", commit], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def describe(commit: str) -> str:
    """Its short name and date; empty if there is no such commit."""
    return _git("log", "-1", "--format=%h of %cs", commit)


def _git(*words: str) -> str:
    answer = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip()
