"""Names the ports of docker-compose.yml that other programs use; `make up` runs this first."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path

COMPOSE_FILE = Path(__file__).resolve().parents[2] / "docker-compose.yml"
PUBLISHED = re.compile(r'ports: \["127\.0\.0\.1:\$\{(\w+):-(\d+)\}:')


def main() -> None:
    """Exit with 1 and a line for each port that is in use."""
    taken = []
    for variable, default in PUBLISHED.findall(COMPOSE_FILE.read_text()):
        port = int(os.environ.get(variable) or default)
        if in_use(port):
            taken.append(
                f"port {port} is in use by another program: stop it, or choose another port, "
                f"for example {variable}={port + 1} make up"
            )
    if taken:
        sys.exit("\n".join(taken))


def in_use(port: int) -> bool:
    """Whether a program listens on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
