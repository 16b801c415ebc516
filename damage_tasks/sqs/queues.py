"""Creates, checks and reads the SQS queue and its dead-letter queue.

A worker rejects a queue whose own attributes could lose or duplicate work, because
Celery's settings cannot compensate for them.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from damage_tasks.errors import QueueUnavailable, QueueUnsafe, SettingsError
from damage_tasks.settings import Settings, get_settings
from damage_tasks.sqs.message_attributes import VISIBILITY_MARGIN_SECONDS
from damage_tasks.storage.aws_clients import new_client

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

MIN_RECEIVES = 2  # with 1, a single lost pod would make a photo a dead letter
MAX_RECEIVES = 5
MIN_RETENTION_SECONDS = 24 * 3600  # SQS deletes older messages silently
RETENTION_SECONDS = 14 * 24 * 3600  # the maximum of SQS
DEAD_LETTER_SUFFIX = "dead-letters"

_ATTRIBUTES = [
    "VisibilityTimeout",
    "RedrivePolicy",
    "MessageRetentionPeriod",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue's attributes as reported by SQS; times in seconds, counts approximate."""

    url: str
    visibility_timeout: int
    retention: int
    max_receives: int | None
    dead_letter_arn: str | None
    waiting: int
    in_flight: int
    delayed: int

    @property
    def name(self) -> str:
        """The last part of its URL."""
        return self.url.rstrip("/").rpartition("/")[2]

    @property
    def messages(self) -> int:
        """Number of messages in any state."""
        return self.waiting + self.in_flight + self.delayed


@cache
def sqs_client() -> SQSClient:
    """This process's SQS client; region, credentials and endpoint are boto3's variables.

    Raises `SettingsError` if they do not set a region.
    """
    return _client(
        connect_timeout=5,
        read_timeout=25,  # a long poll takes up to 20 s
        retries={"total_max_attempts": 4, "mode": "standard"},
    )


@cache
def sending_client() -> SQSClient:
    """A client for callers, whose requests fail after about 5 seconds; raises `SettingsError`.

    Its limits are those of ``worker_config.py`` for `detect_damage.delay`.
    """
    return _client(
        connect_timeout=2,
        read_timeout=2.5,
        retries={"total_max_attempts": 2, "mode": "standard"},
    )


# Two processes must not share kept-alive connections.
os.register_at_fork(after_in_child=sqs_client.cache_clear)
os.register_at_fork(after_in_child=sending_client.cache_clear)


def _client(**limits: Any) -> SQSClient:
    try:
        return new_client("sqs", Config(**limits), get_settings().region)
    except NoRegionError:
        raise SettingsError("AWS_REGION: is not set. Example: AWS_REGION=eu-central-1") from None


def read_queue(sqs: Any, url: str) -> Queue:
    """The queue at ``url``; raises `QueueUnavailable` with one line."""
    try:
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_ATTRIBUTES)["Attributes"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        hint = "; the role needs sqs:GetQueueAttributes" if "AccessDenied" in code else ""
        raise QueueUnavailable(f"{url}: {code}{hint}") from None
    except BotoCoreError as error:
        raise QueueUnavailable(f"{url}: {error}") from None
    policy = json.loads(found.get("RedrivePolicy") or "{}")
    receives = policy.get("maxReceiveCount")
    return Queue(
        url=url,
        visibility_timeout=int(found["VisibilityTimeout"]),
        retention=int(found["MessageRetentionPeriod"]),
        max_receives=int(receives) if receives is not None else None,
        dead_letter_arn=policy.get("deadLetterTargetArn"),
        waiting=int(found["ApproximateNumberOfMessages"]),
        in_flight=int(found["ApproximateNumberOfMessagesNotVisible"]),
        delayed=int(found["ApproximateNumberOfMessagesDelayed"]),
    )


def queue_problems(queue: Queue, settings: Settings) -> list[str]:
    """Problems that could lose or duplicate work on ``queue``, and the attribute to set."""
    found = []
    needed = settings.time_limit + VISIBILITY_MARGIN_SECONDS
    if queue.name.endswith(".fifo"):
        found.append(
            "is a FIFO queue, which does not support delays per message; use a standard queue"
        )
    if queue.visibility_timeout < needed:
        found.append(
            f"VisibilityTimeout is {queue.visibility_timeout} s, but photos may take "
            f"{settings.time_limit} s: set it to at least {needed}, or they are examined twice"
        )
    if queue.retention < MIN_RETENTION_SECONDS:
        found.append(
            f"MessageRetentionPeriod is {queue.retention} s: set it to "
            f"{RETENTION_SECONDS}, or photos that wait during an outage are deleted"
        )
    if queue.dead_letter_arn is None or queue.max_receives is None:
        found.append(
            "has no RedrivePolicy: set one with a dead-letter queue, or failed photos are deleted"
        )
    elif queue.max_receives < MIN_RECEIVES:
        found.append(
            f"maxReceiveCount is {queue.max_receives}: set it to {MAX_RECEIVES}, or a photo whose "
            "pod is lost becomes a dead letter"
        )
    return found


def check_queues(sqs: Any, settings: Settings) -> dict[str, Queue]:
    """The queues of ``settings`` by Celery's names; raises the same errors as `check_queue`."""
    settings.require("queue_url")
    return {name: check_queue(sqs, settings, url) for name, url in settings.queue_urls.items()}


def check_queue(sqs: Any, settings: Settings, url: str) -> Queue:
    """The queue at ``url``, if it cannot lose or duplicate photos.

    Raises `QueueUnsafe` naming every attribute to set, or `QueueUnavailable`.
    """
    queue = read_queue(sqs, url)
    found = queue_problems(queue, settings)
    if queue.dead_letter_arn is not None:
        dead = dead_letter_queue(sqs, queue)
        if dead.dead_letter_arn is not None:
            found.append(
                f"RedrivePolicy of {dead.name}: remove it, or listing dead letters moves them"
            )
        # A dead letter keeps its age.
        if dead.retention < queue.retention:
            found.append(
                f"MessageRetentionPeriod of {dead.name} is {dead.retention} s, shorter than the "
                f"queue's own: set it to {RETENTION_SECONDS}, or dead letters may be deleted "
                "before they are seen"
            )
    if found:
        raise QueueUnsafe(
            f"{queue.url} {'; '.join(found)} (`damage-tasks queue create` corrects this)"
        )
    return queue


def create_queues(
    sqs: Any, name: str, visibility_timeout: int, max_receives: int = MAX_RECEIVES
) -> str:
    """Create or correct the queue ``name`` and its dead-letter queue; returns the queue's URL.

    Safe to call again.  Raises `QueueUnavailable`.
    """
    try:
        dead = _ensure(
            sqs, f"{name}-{DEAD_LETTER_SUFFIX}", {"MessageRetentionPeriod": str(RETENTION_SECONDS)}
        )
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = {
            "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
            "maxReceiveCount": max_receives,
        }
        return _ensure(
            sqs,
            name,
            {
                "VisibilityTimeout": str(visibility_timeout),
                "MessageRetentionPeriod": str(RETENTION_SECONDS),
                "RedrivePolicy": json.dumps(policy),
            },
        )
    except (ClientError, BotoCoreError) as error:
        raise QueueUnavailable(f"{name}: {error}") from None


def dead_letter_queue(sqs: Any, queue: Queue) -> Queue:
    """The dead-letter queue of ``queue``; raises `QueueUnsafe` if it has none."""
    if queue.dead_letter_arn is None:
        raise QueueUnsafe(f"{queue.url} has no RedrivePolicy, so there are no dead letters")
    return read_queue(sqs, dead_letter_url(sqs, queue.dead_letter_arn))


def dead_letter_url(sqs: Any, arn: str) -> str:
    """The URL of the queue that ``arn`` names; raises `QueueUnavailable`."""
    _, _, _, _, account, name = arn.split(":")
    try:
        return str(sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"])
    except (ClientError, BotoCoreError) as error:
        raise QueueUnavailable(f"{arn}: {error}") from None


def _ensure(sqs: Any, name: str, attributes: dict[str, str]) -> str:
    try:
        url = str(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if "QueueNameExists" not in code and "QueueAlreadyExists" not in code:
            raise
        url = str(sqs.get_queue_url(QueueName=name)["QueueUrl"])
    # An emulator, or a queue created manually, may have different attributes.
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return url
