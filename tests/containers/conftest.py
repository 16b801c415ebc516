"""Runs the compose file with real containers; only in `make test-containers`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.devstack.loopback_ports import free_port
from tests.containers.container_engine import PROJECT, Engine, open_engine

if not os.environ.get("CONTAINERS"):
    collect_ignore_glob = ["test_*.py"]

PORTS = ["AWS", "POSTGRES", "EVENT_BUS", "FLOWER", "PROMETHEUS", "GRAFANA"]
# Images for which no stand-in can be made.
NO_STAND_IN = ["grafana", "fluent-bit"]


class Stack:
    """The running containers, and how to reach them from this machine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ports = {f"{name}_PORT": str(free_port()) for name in PORTS}
        self.services = ["worker", "flower", "prometheus"]
        if not engine.stand_ins:
            self.services += NO_STAND_IN
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.ports['AWS_PORT']}",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "DAMAGE_QUEUE_URL": (f"http://127.0.0.1:{self.ports['AWS_PORT']}/000000000000/damage"),
            "DAMAGE_DATABASE_URL": (
                f"postgresql://damage:damage@127.0.0.1:{self.ports['POSTGRES_PORT']}/damage"
            ),
        }

    def compose(self, *arguments: str, timeout: float = 600) -> str:
        """Run Docker Compose on this stack."""
        return self.engine.compose(*arguments, timeout=timeout, **self.ports)

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return f"{PROJECT}-{service}-1"

    def inspect(self, service: str, template: str) -> str:
        """The engine's description of a service's container."""
        return self.engine.run("inspect", "--format", template, self.container(service)).strip()

    def client(self, service: str) -> Any:
        """A boto3 client for the emulator in its container."""
        import boto3

        session: Any = boto3.session.Session()
        return session.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Docker or podman, with our images built."""
    engine = open_engine()
    try:
        engine.build()
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="session")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The compose file's services, running and healthy."""
    stack = Stack(engine)
    try:
        stack.compose("up", "--detach", "--no-build", *stack.services, timeout=1200)
        yield stack
    finally:
        logs = Path(tmp_path_factory.getbasetemp()) / "compose.log"
        logs.write_text(stack.compose("logs", "--no-color"))
        stack.compose("down", "--volumes", "--timeout", "20")
