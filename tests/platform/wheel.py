"""The packages as they are published, built from a clean copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.platform.template import ROOT

PACKAGES = ["damage_tasks", "model_store", "model_training"]
FILES = ["LICENSE", "NOTICE", "README.md", "pyproject.toml", "setup.cfg", "worker_config.py"]


def copy_source(folder: Path) -> Path:
    """Copy the files from which packages are built, and the default bundle, below ``folder``."""
    source = folder / "source"
    source.mkdir()
    for name in PACKAGES:
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for name in FILES:
        shutil.copy(ROOT / name, source)
    return source


def build_wheel(folder: Path) -> Path:
    """Build the wheel below ``folder``; its path."""
    target = folder / "wheel"
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--wheel-dir", target, copy_source(folder)],
        check=True,
    )  # fmt: skip
    (file,) = target.iterdir()
    return file


def build_source_archive(folder: Path) -> Path:
    """Build the source archive below ``folder``; its path."""
    target = folder / "archive"
    target.mkdir()
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, target],
        cwd=copy_source(folder),
        check=True,
        capture_output=True,
    )
    (file,) = target.iterdir()
    return file
