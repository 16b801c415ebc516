"""kombu's SQS transport, hardened so that no failed poll or message can end the worker."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from celery.exceptions import WorkerShutdown
from kombu.asynchronous.aws.sqs.connection import AsyncSQSConnection
from kombu.log import get_logger
from kombu.transport import SQS, virtual

from damage_tasks.sqs.batches import change_visibility, delete_messages
from damage_tasks.sqs.deletions import Deletions
from damage_tasks.sqs.envelope import is_ignored, translate

logger = get_logger(__name__)

Json = dict[str, Any]

ROOM_CHECK_SECONDS = 0.02  # between checks for room, which need no request
HELD_POLL_SECONDS = 0.1  # until hooks are called again
MAX_POLL_BACKOFF_SECONDS = 30.0
# Seconds until a rejected message is retried; doubled at each receive.
FIRST_REDELIVERY_SECONDS = 5
MAX_REDELIVERY_SECONDS = 900

_THROTTLED = ("Throttl", "RequestLimitExceeded", "OverLimit", "TooManyRequests", "SlowDown")


@dataclass(frozen=True, slots=True)
class FailedPoll:
    """A ReceiveMessage request that failed or was rejected."""

    status: int
    text: str

    @property
    def final(self) -> bool:
        """Whether SQS rejected the request, rather than being unavailable or busy."""
        busy = any(word in self.text for word in _THROTTLED)
        return 400 <= self.status < 500 and self.status not in (408, 429) and not busy


class GuardedConnection(AsyncSQSConnection):
    """Returns a `FailedPoll` where kombu returns [] or raises, both of which end the worker."""

    def _on_list_ready(self, parent: Any, markers: Any, operation: str, response: Any) -> Any:
        status = response.status
        try:
            if status == self.STATUS_CODE_OK:
                answer = super()._on_list_ready(parent, markers, operation, response)
                if isinstance(answer, dict):
                    return answer
                return FailedPoll(599, "no SQS answer")
            body = response.read()
        except Exception as error:
            # Something other than SQS answered, perhaps a proxy.
            return FailedPoll(599, f"unreadable answer: {error}")
        return FailedPoll(status, _error_text(body) or str(response.reason))


class Channel(SQS.Channel):
    """Converts every message with `sqs.envelope` and survives failed polls.

    ``polled_at`` is the time (`time.monotonic`) of the last poll that SQS answered.
    Acknowledged messages are deleted in batches.  The worker's steps use `before_poll`,
    `has_room`, `unacknowledged`, `hide` and `hand_back`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.polled_at: float | None = None
        # New credentials and policies take a while to become effective everywhere.
        self._patience: float = self.transport_options.get("refusal_patience", 60)
        self._prefetch: int = self.transport_options.get("prefetch", 1)
        self._failures = 0
        self._refused_since: float | None = None
        self._deletions: dict[str, Deletions] = {}
        self._hooks: list[Callable[[], bool]] = []

    def before_poll(self, hook: Callable[[], bool]) -> None:
        """Have ``hook`` called whenever a poll is due or the worker has no room for one.

        Hooks run in the order in which they were added.  If one returns False, the later ones
        are not called and nothing is polled; all are called again after
        `HELD_POLL_SECONDS`.
        A hook that raises is logged and counts as True.
        """
        self._hooks.append(hook)

    def unacknowledged(self) -> dict[str, Any]:
        """The messages that were received and not yet acknowledged, by delivery tag."""
        delivered = list(self.qos._delivered.items())
        return {tag: message for tag, message in delivered if tag not in self.qos._dirty}

    def hide(self, tags: Iterable[str], seconds: int) -> None:
        """Hide the messages with these delivery tags from other workers for ``seconds``.

        Raises botocore's `ClientError` and `BotoCoreError`.
        """
        (queue,) = self.predefined_queues
        url = self.predefined_queues[queue]["url"]
        # SQS's receipt handle is kombu's delivery tag.
        for reason in change_visibility(self.sqs(queue), url, sorted(tags), seconds):
            logger.warning("visibility was not changed: %s", reason)

    def hand_back(self, tags: Iterable[str]) -> None:
        """Return the messages with these delivery tags to the queue, immediately visible.

        Raises the same errors as `hide`; the messages are then visible after their timeout.
        """
        given_up = list(tags)
        for tag in given_up:
            self.qos._delivered.pop(tag, None)
        self.hide(given_up, 0)

    def queue_visibility_timeout(self) -> int:
        """The queue's own visibility timeout in seconds, queried from SQS.

        The timeout in Celery's transport options applies only to queues that kombu creates
        (celery/celery#7234).
        """
        (queue,) = self.predefined_queues
        answer = self.sqs(queue).get_queue_attributes(
            QueueUrl=self.predefined_queues[queue]["url"], AttributeNames=["VisibilityTimeout"]
        )
        return int(answer["Attributes"]["VisibilityTimeout"])

    def asynsqs(self, queue: str | None = None) -> AsyncSQSConnection:
        assert queue is not None
        if queue not in self._predefined_queue_async_clients:
            attributes = self.get_message_attributes
            self._predefined_queue_async_clients[queue] = GuardedConnection(
                sqs_connection=self.sqs(queue=queue),
                region=self.region,
                message_system_attribute_names=attributes["MessageSystemAttributeNames"],
                message_attribute_names=attributes["MessageAttributeNames"],
            )
        return self._predefined_queue_async_clients[queue]

    def has_room(self) -> bool:
        """Whether a poll is due: at most half of the photos that may wait in this worker remain.

        Then one receive returns several, while the other half keeps the processes busy.
        """
        limit = self.qos.prefetch_count
        free = self.qos.can_consume_max_estimate()
        if not limit or free is None:
            return True
        processes = limit // self._prefetch
        return bool(free >= max(1, (limit - processes + 1) // 2))

    def _schedule_queue(self, queue: str) -> None:
        if queue not in self._active_queues:
            return
        assert self.hub is not None
        if not all(map(_allows_poll, self._hooks)):
            self.hub.call_later(HELD_POLL_SECONDS, self._schedule_queue, queue)
        elif self.has_room():
            super()._schedule_queue(queue)
        else:
            # kombu would check again after `polling_interval`: no worker could process more than
            # its current photos per second.
            self.hub.call_later(ROOM_CHECK_SECONDS, self._schedule_queue, queue)

    def _size(self, queue: str) -> int:
        """Not queried: the size is unused, and an SQS outage at this point would end the worker."""
        return 0

    def _get_bulk_async(self, queue: str, callback: Any = None) -> Any:
        try:
            return super()._get_bulk_async(queue, callback=callback)
        except BotoCoreError as error:
            # No credentials for signing: like SQS, they may be available again later.
            self._poll_failed(FailedPoll(403, str(error)))
            return callback(0)

    def _on_messages_ready(self, queue: str, qname: str, messages: Any) -> int:
        # kombu 5.7.0 passes [] for a 408, a 5xx or a curl error, and its own
        # [].get() then ends the worker.
        if not isinstance(messages, dict):
            failure = messages if isinstance(messages, FailedPoll) else FailedPoll(599, "failed")
            self._poll_failed(failure)
            return 0
        if self._failures:
            logger.info("polling SQS works again after %d failures", self._failures)
        self._failures, self._refused_since = 0, None
        self.polled_at = time.monotonic()
        received = messages.get("Messages") or []
        # A proxy between us and SQS may answer with arbitrary JSON.
        usable = [message for message in received if _is_message(message)]
        if len(usable) < len(received):
            logger.warning("SQS returned %d messages without a body", len(received) - len(usable))
        requests = []
        for message in usable:
            if is_ignored(self._text_of(message)):
                logger.debug("S3 event %s announces no photo", message["MessageId"])
                self._delete_soon(queue, qname, message["ReceiptHandle"])
            else:
                requests.append(message)
        return super()._on_messages_ready(queue, qname, {"Messages": requests})

    def _poll_failed(self, failure: FailedPoll) -> None:
        self._failures += 1
        logger.warning("polling SQS failed: %d %s", failure.status, failure.text)
        if not failure.final:
            self._refused_since = None
            return
        now = time.monotonic()
        self._refused_since = self._refused_since or now
        if now - self._refused_since >= self._patience:
            logger.critical(
                "worker stops: SQS has rejected its requests for %d s: %s",
                self._patience,
                failure.text,
            )
            raise WorkerShutdown(1)

    def _loop1(self, queue: str, messages_fetched: Any = None) -> None:
        if not self._failures:
            super()._loop1(queue, messages_fetched)
            return
        pause = min(MAX_POLL_BACKOFF_SECONDS, 2.0 ** min(self._failures - 1, 10))
        assert self.hub is not None
        self.hub.call_later(random.uniform(pause / 2, pause), self._schedule_queue, queue)

    def _message_to_python(self, message: Json, queue_name: str, q_url: str) -> Json:
        text = self._text_of(message)
        payload = translate(text, message["MessageId"], queue_name)
        return self._envelope_payload(payload, text, message, q_url)

    def _text_of(self, message: Json) -> str:
        # SQS itself rejects lone surrogates, but an emulator might not.
        body = message["Body"].encode("utf-8", "replace")
        return str(self._decode_python_message_body(body).decode("utf-8", "replace"))

    def _put(self, queue: str, message: Json, **kwargs: Any) -> None:
        headers = message.get("headers") or {}
        if headers.get("eta"):
            # A worker would hold the message in flight until then.
            raise ValueError("eta is not supported: use DelaySeconds=... (at most 900) instead")
        super()._put(queue, message, **kwargs)

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        message = self.qos._delivered.get(delivery_tag)
        virtual.Channel.basic_ack(self, delivery_tag, multiple)
        if message is not None:
            info = message.delivery_info
            receipt = _sqs_message(message)["ReceiptHandle"]
            self._delete_soon(info["sqs_queue"], info["routing_key"], receipt)

    def _delete_soon(self, url: str, queue: str, receipt: str) -> None:
        if url not in self._deletions:
            sqs = self.sqs(queue=queue)
            self._deletions[url] = Deletions(partial(delete_messages, sqs, url))
        self._deletions[url].add(receipt)

    def close(self) -> None:
        super().close()
        for deletions in self._deletions.values():
            deletions.close()
        self._deletions.clear()

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        message = self.qos._delivered.get(delivery_tag)
        if message is None:
            # Returned already, and then its process was lost: kombu would raise a KeyError.
            return
        super().basic_reject(delivery_tag, requeue=requeue)
        if not requeue:
            self._restore_at_beginning(message)

    def _delete_rejected_message(self, delivery_tag: str) -> None:
        """Delete nothing: the message has no verdict, even if there is no redrive policy."""

    def _restore_at_beginning(self, message: Any) -> None:
        """Return a message to the queue, visible after a pause that grows with its receives."""
        if message.delivery_info.get("revoked"):
            # No worker will execute it, so let SQS soon move it to the dead letters.
            self.show_again(message, 0)
            return
        received = int(
            _sqs_message(message).get("Attributes", {}).get("ApproximateReceiveCount", 1)
        )
        pause = min(MAX_REDELIVERY_SECONDS, FIRST_REDELIVERY_SECONDS * 2 ** (received - 1))
        self.show_again(message, round(random.uniform(pause / 2, pause)))

    def _restore(self, message: Any, *_: Any) -> None:
        """Return an unprocessed message to the queue, immediately visible."""
        self.show_again(message, 0)

    def show_again(self, message: Any, seconds: int) -> None:
        """Make a message visible after ``seconds``; if that fails, after its timeout."""
        info = message.delivery_info
        try:
            self.sqs(queue=info["routing_key"]).change_message_visibility(
                QueueUrl=info["sqs_queue"],
                ReceiptHandle=_sqs_message(message)["ReceiptHandle"],
                VisibilityTimeout=seconds,
            )
            info["visible_at"] = time.time() + seconds
        except (ClientError, BotoCoreError, OSError) as error:
            logger.warning("message stays invisible until its timeout: %s", error)


class Transport(SQS.Transport):
    """The ``broker_transport`` of the application."""

    Channel = Channel


def _allows_poll(hook: Callable[[], bool]) -> bool:
    try:
        return hook()
    except Exception:
        # Propagating it would end the worker.
        logger.exception("a hook before the poll failed")
        return True


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(
        isinstance(message.get(name), str) for name in ("Body", "MessageId", "ReceiptHandle")
    )


def _sqs_message(message: Any) -> Json:
    return dict(message.delivery_info["sqs_message"])


def _error_text(body: Any) -> str:
    try:
        error = json.loads(body)
        code = str(error["__type"]).rpartition("#")[2]
        return f"{code}: {error.get('message') or error.get('Message') or ''}".rstrip(": ")
    except (ValueError, KeyError, TypeError):
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
        return " ".join(text.split())[:200]
