"""A share of the photos is sent to the shadow queue, and no photo ever waits for it."""

from __future__ import annotations

import hashlib
import socket
import time
from typing import Any

import pytest

from damage_tasks import shadow_queue
from damage_tasks.shadow_queue import ShadowQueue, ShadowSender, is_in_share
from damage_tasks.telemetry import metrics as metrics_module
from damage_tasks.telemetry.metrics import Metrics
from tests.integration.delivery.stage import wait_until

DIGESTS = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(2000)]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    metrics = Metrics()
    monkeypatch.setattr(metrics_module, "_metrics", metrics)
    return metrics


def count(metrics: Metrics, outcome: str) -> float:
    return float(metrics.shadow_photos.labels(outcome)._value.get())  # noqa: SLF001


def test_the_digest_chooses_the_photos_of_a_share() -> None:
    chosen = {digest for digest in DIGESTS if is_in_share(digest, 0.2)}
    assert 0.17 < len(chosen) / len(DIGESTS) < 0.23
    assert chosen == {digest for digest in DIGESTS if is_in_share(digest, 0.2)}
    assert chosen < {digest for digest in DIGESTS if is_in_share(digest, 0.3)}
    assert all(is_in_share(digest, 1.0) for digest in DIGESTS)
    assert not any(is_in_share(digest, 0.0) for digest in DIGESTS)


def test_a_kept_photo_of_the_share_is_sent_once(aws: Any, counts: Metrics) -> None:
    url = aws.create_queues(f"shadow-{time.monotonic_ns()}")
    inside, outside = "0" * 64, "f" * 64
    sender = ShadowSender(url, 0.5)
    sender.examined(outside, is_kept=True)
    sender.examined(inside, is_kept=True)
    queue = ShadowQueue(url)
    message = queue.receive()
    assert message and message.photo_sha256 == inside
    queue.delete(message)
    assert queue.receive(0) is None
    wait_until(lambda: count(counts, "sent") == 1)


def test_a_photo_that_is_not_kept_is_only_counted(counts: Metrics) -> None:
    sender = ShadowSender("http://127.0.0.1:9/000000000000/shadow", 1.0)
    sender.examined("0" * 64, is_kept=False)
    assert count(counts, "not_kept") == 1


def test_a_queue_that_refuses_connections_costs_a_photo_nothing(
    aws: Any, counts: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    sender = ShadowSender("http://127.0.0.1:9/000000000000/shadow", 1.0)
    began = time.monotonic()
    sender.examined("0" * 64, is_kept=True)
    assert time.monotonic() - began < 0.1
    wait_until(lambda: count(counts, "failed") == 1)


def test_photos_beyond_the_limit_are_dropped_while_the_queue_hangs(
    aws: Any, counts: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow_queue, "MAX_WAITING", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        sender = ShadowSender(f"{endpoint}/000000000000/shadow", 1.0)
        began = time.monotonic()
        for _ in range(10):
            sender.examined("0" * 64, is_kept=True)
        assert time.monotonic() - began < 0.5
        assert count(counts, "dropped") >= 7


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"photo_sha256": 1}', '{"photo_sha256": "../x"}']
)
def test_a_message_of_somebody_else_names_no_photo(aws: Any, body: str) -> None:
    url = aws.create_queues(f"shadow-{time.monotonic_ns()}")
    aws.client("sqs").send_message(QueueUrl=url, MessageBody=body or "not JSON")
    message = ShadowQueue(url).receive()
    assert message and message.photo_sha256 is None
