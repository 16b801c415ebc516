"""`damage-tasks submit` says what is wrong before, or with, the first photo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.devstack.child_processes import free_port
from tests.integration.test_cli import run


@pytest.mark.parametrize("word", ["car.jpg", "/srv/car.jpg"])
def test_a_path_is_not_sent(word: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"https://photos.example/1.jpg\n{word}\n")
    for words in ([word], ["--from", str(tmp_path / "list")]):
        done = CliRunner().invoke(cli, ["submit", *words])
        assert done.exit_code == 2
        text = " ".join(done.output.replace("│", " ").split())
        assert f"{word} is not a URL" in text
        assert f"damage-tasks detect {word}" in text


def test_a_queue_that_is_away_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setitem(os.environ, "DAMAGE_QUEUE_URL", f"{endpoint}/000000000000/damage")
    done = run("submit", "https://photos.example/1.jpg")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"queue_unavailable: {endpoint}")
    assert last.endswith("0 of 1 photos were sent")
