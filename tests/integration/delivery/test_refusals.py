"""Configurations that would lose photos are rejected; dead letters can be replayed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from tests.integration.conftest import queue_counts
from tests.integration.delivery.stage import Wait, dead_letters, dead_queue, photo, start_worker
from tests.integration.test_cli import run
from tools.loopback_web_server import Site

pytestmark = pytest.mark.xdist_group("outages of delivery")


def test_a_queue_that_would_lose_photos_is_refused(stack: Stack) -> None:
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName="careless", Attributes={"VisibilityTimeout": "5"})["QueueUrl"]
    worker = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "damage_tasks", "worker"],
        env={**os.environ, **stack.environment, "DAMAGE_QUEUE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert worker.returncode != 0
    (line,) = [x for x in worker.stderr.splitlines() if "worker does not start" in x]
    assert "queue_unsafe" in line
    assert "VisibilityTimeout is 5 s" in line
    assert "has no RedrivePolicy" in line


def test_an_eta_is_refused_before_it_can_be_sent(stack: Stack) -> None:
    from kombu.exceptions import OperationalError

    untyped: Any = detect_damage
    with pytest.raises((ValueError, OperationalError), match="DelaySeconds"):
        untyped.apply_async(("https://x/y.jpg",), countdown=60)
    assert queue_counts(stack) == (0, 0)


def test_dead_letters_are_listed_replayed_and_dropped(
    stack: Stack, site: Site, result_of: Wait
) -> None:
    sqs = stack.client("sqs")
    # Senders choose addresses, and this one resembles the table's own markup.
    good = photo(site, "/[/b]/replayed.jpg")
    sent = sqs.send_message(
        QueueUrl=dead_queue(stack), MessageBody=json.dumps({"image_url": good, "car": 7})
    )
    sqs.send_message(QueueUrl=dead_queue(stack), MessageBody="junk")
    listed = run("dead-letters", "list", stack=stack).stdout
    assert "dead letters: 2" in listed
    assert "unknown: 2" in listed
    assert good.rpartition("/")[2] in listed
    for words, count in (
        (("--reason", "unknown"), 2),
        (("--reason", "worker_lost"), 0),
        (("--photo", "*/replayed.jpg"), 1),
        (("--since", "1h"), 2),
        (("--until", "1h"), 0),
    ):
        assert f"dead letters: {count}" in run("dead-letters", "list", *words, stack=stack).stdout

    for strange in ("infd", "1e12d", "-3d", "soon"):
        refused = run("dead-letters", "list", "--since", strange, stack=stack)
        assert "--since must be like 2h" in " ".join(refused.stderr.split())

    start_worker(stack)
    done = run("dead-letters", "replay", "--photo", "*/replayed.jpg", "--yes", stack=stack)
    assert done.stdout.splitlines()[-1] == "replay: 1"
    result = result_of(sent["MessageId"])
    assert result["metadata"] == {"car": 7}

    answered = run("dead-letters", "drop", stack=stack, input="n\n")
    assert answered.returncode != 0
    assert dead_letters(stack) == 1
    run("dead-letters", "drop", "--yes", stack=stack)
    assert dead_letters(stack) == 0
