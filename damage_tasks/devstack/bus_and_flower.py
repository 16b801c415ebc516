"""The event bus and Flower of the embedded stack."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from damage_tasks.devstack.child_processes import Child, clean_environment
from damage_tasks.errors import ExtraMissing

READY_TIMEOUT_SECONDS = 120

_SERVE = """
import sys
from fakeredis import TcpFakeServer
server = TcpFakeServer(("127.0.0.1", int(sys.argv[1])), server_type="redis")
server.daemon_threads = True
print("the event bus is listening", flush=True)
server.serve_forever()
"""


class Bus:
    """A server for the Redis protocol in a child process, for events and remote control."""

    def __init__(self, log: Path, port: int) -> None:
        if importlib.util.find_spec("fakeredis") is None:
            raise ExtraMissing("the stack needs fakeredis: pip install 'damage-tasks[stack]'")

        self.port = port
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.child = Child(
            "event bus",
            [sys.executable, "-c", _SERVE, str(self.port)],
            log=log,
            environment=clean_environment(),
        )
        self.child.start()

    def wait(self) -> None:
        """Wait until it listens; raises `StackError` if it does not."""
        self.child.wait_for("the event bus is listening", READY_TIMEOUT_SECONDS)

    def stop(self) -> None:
        """End it."""
        self.child.terminate()
        self.child.wait(timeout=5)


class Flower:
    """Flower in a child process, on loopback, with its history in the file ``history``."""

    def __init__(self, history: Path, log: Path, environment: dict[str, str], port: int) -> None:

        self.port = port
        self.url = f"http://127.0.0.1:{self.port}"
        self.child = Child(
            "Flower",
            [sys.executable, "-m", "damage_tasks", "flower", "--address=127.0.0.1",
             f"--port={self.port}", f"--db={history}"],
            log=log,
            environment={**clean_environment(), **environment},
        )  # fmt: skip
        self.child.start()

    def wait(self) -> None:
        """Wait until it answers; raises `StackError` if it does not."""
        self.child.wait_for("Visit me at", READY_TIMEOUT_SECONDS)

    def stop(self) -> None:
        """Stop it; it saves its history first."""
        self.child.terminate()
        self.child.wait(timeout=10)
