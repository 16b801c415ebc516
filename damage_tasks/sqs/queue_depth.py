"""How many messages wait, are in flight, or are dead letters."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any

from kombu.log import get_logger

from damage_tasks.telemetry import redact

logger = get_logger(__name__)

KEPT = 15.0  # seconds that counts are good for; SQS's own are approximate anyway
_COUNTS = {
    "waiting": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


@dataclass(frozen=True)
class QueueCounts:
    """What SQS says of the queue and its dead-letter queue, approximately."""

    queue: str
    waiting: int
    in_flight: int
    delayed: int
    dead_letter_queue: str | None
    dead_letters: int


class QueueDepth:
    """Asks SQS at most every `KEPT` seconds; safe to use from any thread.

    Needs the permissions GetQueueAttributes on both queues and GetQueueUrl on the
    dead-letter queue.
    """

    def __init__(self, queue_url: str, region: str | None, kept: float = KEPT) -> None:
        self._url = queue_url
        self._region = region
        self._kept = kept
        self._lock = threading.Lock()
        self._client: Any = None
        self._dead: tuple[str, str] | None = None  # name and URL
        self._counts: QueueCounts | None = None
        self._asked = -kept

    def counts(self) -> QueueCounts | None:
        """The counts of a moment ago; None while SQS does not answer."""
        with self._lock:
            if time.monotonic() - self._asked >= self._kept:
                self._asked = time.monotonic()
                try:
                    self._counts = self._ask()
                except Exception as error:
                    self._counts = None
                    logger.warning("queue counts are not known: %s", redact(str(error)))
            return self._counts

    def _ask(self) -> QueueCounts:
        if self._client is None:
            self._client = _client(self._region)
        attributes = self._attributes(self._url, *_COUNTS.values(), "RedrivePolicy")
        if self._dead is None and "RedrivePolicy" in attributes:
            target = json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"]
            name = target.rpartition(":")[2]
            self._dead = (name, self._client.get_queue_url(QueueName=name)["QueueUrl"])
        dead_letters = 0
        if self._dead:
            waiting, in_flight, delayed = _COUNTS.values()
            dead = self._attributes(self._dead[1], waiting, in_flight, delayed)
            dead_letters = sum(int(dead.get(name, 0)) for name in _COUNTS.values())
        return QueueCounts(
            queue=self._url.rstrip("/").rpartition("/")[2],
            **{field: int(attributes.get(name, 0)) for field, name in _COUNTS.items()},
            dead_letter_queue=self._dead[0] if self._dead else None,
            dead_letters=dead_letters,
        )

    def _attributes(self, url: str, *names: str) -> dict[str, str]:
        answer = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))
        found: dict[str, str] = answer["Attributes"]
        return found


def _client(region: str | None) -> Any:
    from botocore.config import Config

    from damage_tasks.storage.aws_clients import new_client

    # Nobody waits for a figure: the next look comes soon.
    patience = Config(
        connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"}
    )
    return new_client("sqs", patience, region)
