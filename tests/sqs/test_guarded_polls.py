"""Polls trust the certificates that AWS_CA_BUNDLE names, as boto3 does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.webhook_receiver import WebhookReceiver, answer

# A worker's connection, with kombu's own event loop; prints the status of the answer.
PROGRAM = """
import sys, time
import boto3
from kombu.asynchronous.http import get_client
from kombu.asynchronous.hub import Hub
from vine import promise
from damage_tasks.sqs.guarded_polls import GuardedConnection

hub, found, url = Hub(), [], sys.argv[1]
sqs = boto3.client("sqs", "eu-central-1", endpoint_url=url)
connection = GuardedConnection(sqs, http_client=get_client(hub)).get_http_connection()
connection.request("POST", url, body=b"{}", headers={"Content-Length": "2"})
connection.getresponse(callback=promise(found.append))
loop, end = hub.create_loop(), time.monotonic() + 20
while not found and time.monotonic() < end:
    next(loop)
print(found[0].status)
"""
NOT_CONNECTED = "599"  # kombu's own


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[WebhookReceiver]:
    """A server whose certificate only its own file proves, like a company's proxy."""
    receiver = WebhookReceiver(tmp_path)
    receiver.behave = answer(200, b"{}")
    yield receiver
    receiver.close()


def status_of_a_request(url: str, **variables: str) -> str:
    """The status that a worker's connection gets with these environment variables."""
    others = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, url],
        env={**others, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


def test_a_certificate_of_the_companys_own_authority_is_accepted(proxy: WebhookReceiver) -> None:
    assert status_of_a_request(proxy.url, AWS_CA_BUNDLE=str(proxy.ca_file)) == "200"


def test_without_it_the_certificate_is_refused(proxy: WebhookReceiver) -> None:
    assert status_of_a_request(proxy.url) == NOT_CONNECTED
    assert not proxy.requests
