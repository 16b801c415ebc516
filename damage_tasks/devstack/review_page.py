"""The inspectors' page of the embedded stack."""

from __future__ import annotations

import sys
from pathlib import Path

from damage_tasks.devstack.child_processes import Child, clean_environment

READY_TIMEOUT_SECONDS = 120


class ReviewPage:
    """The inspectors' page in a child process, on loopback and without a sign-in."""

    def __init__(self, log: Path, environment: dict[str, str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.child = Child(
            "the inspectors' page",
            [sys.executable, "-m", "damage_tasks", "review", f"--port={port}"],
            log=log,
            # The worker listens on the port for metrics.
            environment={**clean_environment(), **environment, "DAMAGE_METRICS_PORT": "0"},
        )
        self.child.start()

    def wait(self) -> None:
        """Wait until it answers; raises `StackError` if it does not."""
        self.child.wait_for("Application startup complete", READY_TIMEOUT_SECONDS)

    def stop(self) -> None:
        """Stop it."""
        self.child.terminate()
        self.child.wait(timeout=15)
