"""The check that `make caller` runs with other Python versions, run with this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXTRAS = [
    *("alembic", "sqlalchemy", "psycopg2", "torch", "numpy", "cv2", "PIL", "simplejpeg"),
    *("openvino", "sentry_sdk"),
]


@pytest.mark.slow
def test_a_caller_sends_a_photo_without_any_extra() -> None:
    # Hidden, although they are installed.
    program = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({EXTRAS}));"
        "runpy.run_path('tools/caller.py', run_name='__main__')"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "sends photos, passes `damage-tasks check` and reads the manifest" in run.stdout
