"""The check that `make caller` runs with other versions of Python, with this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_a_caller_sends_a_photo_with_what_is_installed_here() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "tools/caller.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "sends photos and reads the manifest of default" in run.stdout
