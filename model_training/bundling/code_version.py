"""Which code makes a bundle."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from model_store.manifest import Code

CLONE = Path(__file__).parents[2]
PACKAGES = ("damage_tasks", "model_store", "model_training")
TIMEOUT_SECONDS = 10


def code_version() -> Code:
    """The installed version, and the commit if this file is part of a git repository."""
    try:
        installed = version("damage-tasks")
    except PackageNotFoundError:
        installed = "unknown"
    # An installed package may lie inside the repository of something else.
    if _git("ls-files", "--error-unmatch", __file__) is None:
        return Code(version=installed)
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", *PACKAGES)
    return Code(version=installed, commit=commit or "", dirty=bool(changes))


def _git(*words: str) -> str | None:
    """What git prints; None if it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(CLONE), *words],  # noqa: S607
            capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
