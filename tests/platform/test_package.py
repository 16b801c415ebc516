"""The contents of the published wheel: everything except the default bundle."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.platform.template import ROOT
from tests.platform.wheel import PACKAGES

pytestmark = pytest.mark.slow

BUNDLE = ROOT / "model_store/default"


def test_it_contains_every_file_of_the_packages_except_the_default_bundle(wheel: Path) -> None:
    found = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and BUNDLE not in path.parents
    }
    assert {name for name in found if ".dist-info/" not in name} == {*wanted, "worker_config.py"}


def test_it_contains_the_licence_and_the_notice(wheel: Path) -> None:
    names = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if "licenses/" in name}
    assert names == {"LICENSE", "NOTICE"}


def test_it_says_where_to_get_a_bundle(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    run = subprocess.run(
        [sys.executable, "-m", "model_store", "verify", "default"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("bundle_not_found: ")
    assert "set DAMAGE_BUNDLE" in run.stderr
    assert "model_store/default in a clone" in run.stderr
