"""The wheel of a clean copy of the packages, as it is published."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.platform.template import ROOT

PACKAGES = ["damage_tasks", "model_store", "model_training"]
FILES = ["LICENSE", "NOTICE", "README.md", "pyproject.toml", "setup.cfg", "worker_config.py"]


def build_wheel(folder: Path) -> Path:
    """Build the wheel below ``folder``; its path."""
    source, target = folder / "source", folder / "wheel"
    source.mkdir()
    for name in PACKAGES:
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for name in FILES:
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--wheel-dir", target, source],
        check=True,
    )  # fmt: skip
    (file,) = target.iterdir()
    return file
