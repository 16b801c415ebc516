"""A program in the background does not outlive what started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from damage_tasks.devstack.child_processes import Child

pytestmark = pytest.mark.server

# Python ignores exceptions in this hook, and `logging` has one of the same kind.
INTERRUPTED_DURING_FORK = f"""
import os, signal, sys
from pathlib import Path
from damage_tasks.devstack.child_processes import Child

os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
child = Child("sleeper", ["sleep", "600"], log=Path(sys.argv[1]), environment={dict(os.environ)!r})
try:
    child.start()
except KeyboardInterrupt:
    print("interrupted", child.pid, flush=True)
"""


def test_ctrl_c_while_a_program_starts_is_not_lost_and_stops_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_DURING_FORK, str(tmp_path / "log")],
        capture_output=True, text=True, timeout=60, check=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    word, pid = done.stdout.split()
    assert word == "interrupted"
    assert not psutil.pid_exists(int(pid))


def test_ctrl_c_works_as_before_when_a_program_has_started(tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    child = Child("short", ["true"], log=tmp_path / "log", environment=dict(os.environ))
    child.start()
    assert signal.getsignal(signal.SIGINT) is handler
    assert child.wait(30) == 0
