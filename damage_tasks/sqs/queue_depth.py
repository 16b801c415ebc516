"""Counts the messages that are waiting, in flight, or dead letters."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kombu.log import get_logger

from damage_tasks.sqs.queues import Queue, dead_letter_url, read_queue
from damage_tasks.telemetry import redact

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

    from damage_tasks.settings import Settings

logger = get_logger(__name__)

CACHE_SECONDS = 15.0  # SQS's own counts are approximate anyway


@dataclass(frozen=True)
class QueueCounts:
    """Approximate counts of the queue and its dead-letter queue, as reported by SQS."""

    queue: str
    waiting: int
    in_flight: int
    delayed: int
    dead_letter_queue: str | None
    dead_letters: int


def queue_depths(settings: Settings) -> dict[str, QueueDepth]:
    """The depth of each queue of ``settings``, by Celery's names; raises `SettingsError`."""
    settings.require("queue_url")
    return {name: QueueDepth(url, settings.region) for name, url in settings.queue_urls.items()}


class QueueDepth:
    """Queries SQS at most every `CACHE_SECONDS` seconds; thread-safe.

    Needs the permissions GetQueueAttributes on both queues and GetQueueUrl on the
    dead-letter queue.
    """

    def __init__(self, queue_url: str, region: str | None, kept: float = CACHE_SECONDS) -> None:
        self._url = queue_url
        self._region = region
        self._kept = kept
        self._lock = threading.Lock()
        self._client: Any = None
        self._dead_url: str | None = None
        self._counts: QueueCounts | None = None
        self._queried_at = -kept

    @property
    def queue(self) -> str:
        """The queue's name in SQS."""
        return self._url.rstrip("/").rpartition("/")[2]

    def counts(self) -> QueueCounts | None:
        """The latest counts; None while SQS does not answer."""
        with self._lock:
            if time.monotonic() - self._queried_at >= self._kept:
                self._queried_at = time.monotonic()
                try:
                    self._counts = self._ask()
                except Exception as error:
                    self._counts = None
                    logger.warning("queue counts are unknown: %s", redact(str(error)))
            return self._counts

    def _ask(self) -> QueueCounts:
        if self._client is None:
            self._client = _client(self._region)
        queue = read_queue(self._client, self._url)
        dead: Queue | None = None
        if queue.dead_letter_arn is not None:
            self._dead_url = self._dead_url or dead_letter_url(self._client, queue.dead_letter_arn)
            dead = read_queue(self._client, self._dead_url)
        return QueueCounts(
            queue=queue.name,
            waiting=queue.waiting,
            in_flight=queue.in_flight,
            delayed=queue.delayed,
            dead_letter_queue=dead.name if dead else None,
            dead_letters=dead.messages if dead else 0,
        )


def _client(region: str | None) -> SQSClient:
    from botocore.config import Config

    from damage_tasks.storage.aws_clients import new_client

    # Fail fast: the next query follows soon.
    patience = Config(
        connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"}
    )
    return new_client("sqs", patience, region)
