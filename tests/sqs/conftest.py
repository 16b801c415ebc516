"""Queues of the emulator, and our channel for them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.connection import Connection

from damage_tasks.sqs.transport import Channel, Transport


@pytest.fixture
def queue_url(aws: Any) -> str:
    """The URL of a new queue that has a dead-letter queue."""
    return str(aws.create_queues(f"queue-{uuid.uuid4().hex[:8]}"))


@pytest.fixture
def channel(queue_url: str) -> Iterator[Channel]:
    """The channel with which workers poll ``queue_url``."""
    name = queue_url.rpartition("/")[2]
    with Connection(
        "sqs://",
        transport=Transport,
        transport_options={
            "region": "us-east-1",
            "predefined_queues": {name: {"url": queue_url}},
            "wait_time_seconds": 1,
        },
    ) as connection:
        yield connection.default_channel
