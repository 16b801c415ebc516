"""A stack keeps its addresses if possible."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from damage_tasks.devstack.loopback_ports import Ports, free_port


def test_a_port_is_the_same_at_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / "stack.ports"
    first = [Ports(file).port(name) for name in ("emulator", "flower")]
    assert [Ports(file).port(name) for name in ("emulator", "flower")] == first


def test_a_port_that_another_program_has_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "stack.ports"
    port = Ports(file).port("emulator")
    with socket.create_server(("127.0.0.1", port)):
        other = Ports(file).port("emulator")
    assert other != port
    assert Ports(file).port("emulator") == other


@pytest.mark.parametrize("text", ["", "[]", '{"emulator": 700000}', '{"emulator": "x"}'])
def test_a_file_that_makes_no_sense_is_forgotten(tmp_path: Path, text: str) -> None:
    file = tmp_path / "stack.ports"
    file.write_text(text)
    assert 0 < Ports(file).port("emulator") < 65536


def test_a_free_port_is_none_that_linux_gives_to_connections_and_servers() -> None:
    assert all(free_port() < 32_768 for _ in range(100))
