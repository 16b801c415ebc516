"""Queues of the emulator, and our channel for them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kombu.connection import Connection

from damage_tasks.app import read_worker_config
from damage_tasks.sqs.transport import Channel, Transport


@pytest.fixture
def queue_url(aws: Any) -> str:
    """The URL of a new queue that has a dead-letter queue."""
    return str(aws.create_queues(f"queue-{uuid.uuid4().hex[:8]}"))


@pytest.fixture
def urgent_url(aws: Any) -> str:
    """The URL of a second queue, for urgent photos."""
    return str(aws.create_queues(f"urgent-{uuid.uuid4().hex[:8]}"))


@pytest.fixture
def channel(queue_url: str) -> Iterator[Channel]:
    """The channel with which workers poll ``queue_url``."""
    with connected({queue_url.rpartition("/")[2]: queue_url}) as channel:
        yield channel


@pytest.fixture
def lanes(queue_url: str, urgent_url: str) -> Iterator[Channel]:
    """The channel with which workers poll ``queue_url`` and ``urgent_url``."""
    with connected({"bulk": queue_url, "urgent": urgent_url}) as channel:
        yield channel


@contextmanager
def connected(urls: dict[str, str]) -> Iterator[Channel]:
    """A channel for the queues at ``urls``, by their names."""
    workers_options = read_worker_config().broker_transport_options
    with Connection(
        "sqs://",
        transport=Transport,
        transport_options={
            "region": "us-east-1",
            "predefined_queues": {name: {"url": url} for name, url in urls.items()},
            "urgent_queue": "urgent" if "urgent" in urls else None,
            "fetch_message_attributes": workers_options["fetch_message_attributes"],
            "wait_time_seconds": 1,
        },
    ) as connection:
        yield connection.default_channel
