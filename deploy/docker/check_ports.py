"""Names the ports of docker-compose.yml that cannot be used; `make up` runs this first."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

COMPOSE_FILE = Path(__file__).resolve().parents[2] / "docker-compose.yml"
PUBLISHED = re.compile(r'ports: \["127\.0\.0\.1:\$\{(\w+):-(\d+)\}:')
# Compose reads this file too; variables of the shell have precedence.
# https://docs.docker.com/compose/how-tos/environment-variables/envvars-precedence/
ENV_FILE = COMPOSE_FILE.with_name(".env")
ASSIGNMENT = re.compile(
    r"^\s*(?:export\s+)?(\w+)\s*=\s*[\"']?(.*?)[\"']?\s*(?:\s#.*)?$", re.MULTILINE
)


def main() -> None:
    """Exit with 1 and a line for each port that cannot be used."""
    problems = list(problems_of(chosen_ports()))
    if problems:
        sys.exit("\n".join(problems))


def chosen_ports() -> dict[str, str]:
    """The port of each variable: from the shell, from .env, or the compose file's default."""
    written = ENV_FILE.read_text() if ENV_FILE.exists() else ""
    chosen = dict(ASSIGNMENT.findall(written)) | {k: v for k, v in os.environ.items() if v}
    published = PUBLISHED.findall(COMPOSE_FILE.read_text())
    return {variable: chosen.get(variable) or default for variable, default in published}


def problems_of(ports: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with these ports, and what to do about it."""
    owners: dict[str, str] = {}
    for variable, port in ports.items():
        if not (port.isdecimal() and 0 < int(port) < 65536):
            yield f"{variable} is {port!r}: choose a number from 1 to 65535"
        elif port in owners:
            yield f"{variable} and {owners[port]} are both {port}: {_advice(variable, ports)}"
        elif in_use(int(port)):
            yield (
                f"port {port} is in use by another program: stop it, or {_advice(variable, ports)}"
            )
        owners.setdefault(port, variable)


def in_use(port: int) -> bool:
    """Whether a program listens on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _advice(variable: str, ports: Mapping[str, str]) -> str:
    start = int(ports[variable]) + 1
    others = set(ports.values())
    free = next(each for each in count(start) if str(each) not in others and not in_use(each))
    return f"choose another port, for example {variable}={free} make up"


if __name__ == "__main__":
    main()
