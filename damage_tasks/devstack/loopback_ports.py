"""Loopback ports that stay the same across starts of a stack."""

from __future__ import annotations

import json
import socket
from pathlib import Path


class Ports:
    """The ports of the last stack, stored in ``file``."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            remembered = json.loads(file.read_text())
        except (OSError, ValueError):
            remembered = {}
        self._ports: dict[str, int] = remembered if isinstance(remembered, dict) else {}

    def port(self, name: str) -> int:
        """The port for ``name``: its previous one if that is free, otherwise any free one."""
        last = self._ports.get(name)
        port = last if isinstance(last, int) and is_free(last) else free_port()
        self._ports[name] = port
        self._file.write_text(json.dumps(self._ports) + "\n")
        return port


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port``, even if old connections to it linger."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True
