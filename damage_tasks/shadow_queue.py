"""The queue of photos that another bundle examines without counting."""

from __future__ import annotations

import json
import logging
import re
from queue import Full, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from damage_tasks.errors import QueueUnavailable
from damage_tasks.storage.aws_clients import new_client
from damage_tasks.telemetry.metrics import get_metrics

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

logger = logging.getLogger(__name__)

MAX_WAITING = 100  # digests of photos in one process
POLL_SECONDS = 10
_SEND = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})
_RECEIVE = Config(
    connect_timeout=5,
    read_timeout=POLL_SECONDS + 5,
    retries={"total_max_attempts": 2, "mode": "standard"},
)
_SHA256 = re.compile("[0-9a-f]{64}")


def is_in_share(photo_sha256: str, share: float) -> bool:
    """Whether ``share`` (0 to 1) of all photos includes this one.

    The order is that of the random audit: people decide about many photos of a small share.
    """
    return int(photo_sha256[:8], 16) < share * 16**8


class ShadowSender:
    """Sends photos to the queue at ``url`` from a thread; never waits, and never raises."""

    def __init__(self, url: str, share: float, region: str | None = None) -> None:
        """Send ``share`` (0 to 1) of the photos."""
        self._url = url
        self._share = share
        self._region = region
        self._waiting: Queue[str] = Queue(MAX_WAITING)
        self._thread: Thread | None = None
        self._is_failing = False

    def examined(self, photo_sha256: str, *, is_kept: bool) -> None:
        """Send a photo whose verdict is stored, if it belongs to the share and is kept."""
        if not is_in_share(photo_sha256, self._share):
            return
        if not is_kept:
            _count("not_kept")
            return
        if self._thread is None:  # in the process that examines, not in its parent
            self._thread = Thread(target=self._run, name="shadow-sender", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(photo_sha256)
        except Full:
            _count("dropped")

    def _run(self) -> None:
        client: SQSClient | None = None
        while True:
            body = message_body(self._waiting.get())
            try:
                client = client or new_client("sqs", _SEND, self._region)
                client.send_message(QueueUrl=self._url, MessageBody=body)
            except (BotoCoreError, ClientError) as error:
                _count("failed")
                if not self._is_failing:
                    logger.warning("photos are not sent to the shadow queue: %s", error)
                self._is_failing = True
            else:
                _count("sent")
                self._is_failing = False


class ShadowMessage(NamedTuple):
    """A received message; ``photo_sha256`` is None if it is not one of ours.

    ``bundle_digest`` is that of the bundle for a rerun, None for the workers' own photos.
    SQS has delivered it ``receives`` times.
    """

    receipt: str
    photo_sha256: str | None
    bundle_digest: str | None = None
    receives: int = 1


class ShadowQueue:
    """Receives what `ShadowSender` sends to the queue at ``url``."""

    def __init__(self, url: str, region: str | None = None) -> None:
        self._url = url
        self._client: Any = new_client("sqs", _RECEIVE, region)

    def receive(self, seconds: int = POLL_SECONDS) -> ShadowMessage | None:
        """The next message, or None after ``seconds``; raises `QueueUnavailable`."""
        try:
            found = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            ).get("Messages")
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable(f"{self._url}: {error}") from None
        if not found:
            return None
        receives = int(found[0].get("Attributes", {}).get("ApproximateReceiveCount", 1))
        return ShadowMessage(found[0]["ReceiptHandle"], *_digests_in(found[0]["Body"]), receives)

    def delete(self, message: ShadowMessage) -> None:
        """Delete ``message``, which is finished; raises `QueueUnavailable`."""
        try:
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable(f"{self._url}: {error}") from None


def message_body(photo_sha256: str, bundle_digest: str | None = None) -> str:
    """The message for a photo; with ``bundle_digest``, for a rerun with that bundle."""
    bundle = {"bundle_digest": bundle_digest} if bundle_digest else {}
    return json.dumps({"photo_sha256": photo_sha256, **bundle})


def _digests_in(body: str) -> tuple[str | None, str | None]:
    """The digests of the photo and of the bundle, as far as they are in a message."""
    try:
        found = json.loads(body)
        photo, bundle = found["photo_sha256"], found.get("bundle_digest")
    except (ValueError, TypeError, KeyError, AttributeError):
        return None, None
    if not _is_digest(photo) or not (bundle is None or _is_digest(bundle)):
        return None, None
    return photo, bundle


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _count(outcome: str) -> None:
    if metrics := get_metrics():
        metrics.shadow_photos.labels(outcome).inc()
