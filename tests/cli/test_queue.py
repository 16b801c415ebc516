"""`damage-tasks queue` creates and checks the queues of both lanes."""

from __future__ import annotations

import pytest

from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.sqs.queues import read_queue
from tests.integration.test_cli import run


def test_an_urgent_queue_is_created_checked_and_used(
    aws: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = run("queue", "create", "counter", "--urgent")
    assert created.returncode == 0, created.stderr
    urls = dict(line.split("=", 1) for line in created.stdout.splitlines())
    assert list(urls) == ["DAMAGE_QUEUE_URL", "DAMAGE_URGENT_QUEUE_URL"]
    for name, url in urls.items():
        monkeypatch.setenv(name, url)
    checked = run("queue", "check")
    assert [line.split()[1].rpartition("/")[2] for line in checked.stdout.splitlines()[::4]] == [
        "counter", "counter-urgent"
    ]  # fmt: skip
    sent = run("submit", "--urgent", "s3://b/1.jpg", "s3://b/2.jpg")
    assert len(sent.stdout.splitlines()) == 2, sent.stderr
    waiting = [read_queue(aws.client("sqs"), url).waiting for url in urls.values()]
    assert waiting == [0, 2]


def test_without_an_urgent_queue_nothing_is_sent(
    aws: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_QUEUE_URL", aws.create_queues("no-counter"))
    sent = run("submit", "--urgent", "s3://b/1.jpg")
    assert sent.returncode == 2
    assert "DAMAGE_URGENT_QUEUE_URL: is not set" in sent.stderr
