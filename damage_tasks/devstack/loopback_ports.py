"""Loopback ports that stay the same across starts of a stack."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

# Below those that systems give to connections, and to servers that ask for any port (RFC 6335:
# 49152 to 65535; Linux: from 32768), so that none of these gets it before its server starts.
_FREE_PORTS = range(10_000, 32_768)
# Not the shared generator: a program that seeds that one would get the same ports as its siblings.
_random = random.SystemRandom()


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
    """A free port on loopback, which another program is unlikely to take before its use."""
    while True:
        port = _random.choice(_FREE_PORTS)
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port``, even if old connections to it linger."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True
