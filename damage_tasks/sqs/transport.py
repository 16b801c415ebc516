"""kombu's SQS transport, hardened so that no failed poll or message can end the worker."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError
from celery.exceptions import WorkerShutdown
from kombu.log import get_logger
from kombu.transport import SQS, virtual
from vine import promise

from damage_tasks.sqs.batches import delete_messages
from damage_tasks.sqs.compact_message import is_compact
from damage_tasks.sqs.deletions import Deletions
from damage_tasks.sqs.envelope import is_ignored, translate
from damage_tasks.sqs.guarded_polls import FailedPoll, GuardedConnection
from damage_tasks.sqs.poll_turns import PollTurns
from damage_tasks.sqs.redelivery import RedeliveryChannel, sqs_message
from damage_tasks.sqs.trace_headers import trace_of_sqs_message

if TYPE_CHECKING:
    from kombu.asynchronous.aws.sqs.connection import AsyncSQSConnection

logger = get_logger(__name__)

Json = dict[str, Any]
PollHook = Callable[[str], bool]

ROOM_CHECK_SECONDS = 0.02  # between checks for room, which need no request
HELD_POLL_SECONDS = 0.1  # until hooks are called again
MAX_POLL_BACKOFF_SECONDS = 30.0


class Channel(RedeliveryChannel):
    """Converts every message with `sqs.envelope` and survives failed polls.

    Acknowledged messages are deleted in batches.  Which queue is polled is decided by
    `poll_turns`.  The worker's steps use the public methods.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # New credentials and policies take a while to become effective everywhere.
        self._patience: float = self.transport_options.get("refusal_patience", 60)
        self._prefetch: int = self.transport_options.get("prefetch", 1)
        self._urgent: str | None = self.transport_options.get("urgent_queue")
        self._turns = PollTurns(self._urgent)
        self._deletions: dict[str, Deletions] = {}
        self._hooks: list[PollHook] = []

    def before_poll(self, hook: PollHook) -> None:
        """Have ``hook`` called whenever a poll is due or the worker has no room for one.

        It receives the queue's name.  Hooks run in the order in which they were added.  If one
        returns False, the later ones are not called and the queue is not polled; all are called
        again after `HELD_POLL_SECONDS`.  If a hook raises, the exception is logged and the hook
        counts as having returned True.
        """
        self._hooks.append(hook)

    def polled_at(self, queue: str) -> float | None:
        """The time (`time.monotonic`) of the last poll of ``queue`` that SQS answered."""
        return self._turns[queue].answered_at

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

    def has_room(self, queue: str) -> bool:
        """Whether the worker can take more messages of ``queue``; see `PollTurns.has_room`."""
        qos = self.qos
        in_hand = len(qos._delivered) - len(qos._dirty)
        return self._turns.has_room(queue, in_hand, qos.prefetch_count, self._prefetch)

    def is_poll_due(self, queue: str) -> bool:
        """Whether ``queue`` is polled next: the worker has room, and no other queue has a turn."""
        return self.has_room(queue) and not self._turns.must_wait(queue)

    def _schedule_queue(self, queue: str) -> None:
        polls = self._turns[queue]
        if queue not in self._active_queues:
            polls.waits_for_room = False
            return
        assert self.hub is not None
        polls.waits_for_room = not self.has_room(queue)
        if not all(_allows_poll(hook, queue) for hook in self._hooks):
            self.hub.call_later(HELD_POLL_SECONDS, self._schedule_queue, queue)
        elif self.is_poll_due(queue):
            self._turns.sent(queue)
            self._get_bulk_async(queue, callback=promise(self._loop1, (queue,)))
        else:
            # kombu would check again after `polling_interval`: no worker could process more than
            # its current photos per second.
            self.hub.call_later(ROOM_CHECK_SECONDS, self._schedule_queue, queue)

    def _size(self, queue: str) -> int:
        """Not queried: the size is unused, and an SQS outage at this point would end the worker."""
        return 0

    def _get_bulk_async(self, queue: str, callback: Any = None) -> Any:
        try:
            if queue == self._urgent:
                # No more than the next free process takes: other workers may have free ones.
                return self._get_async(queue, 1, callback=callback)
            return super()._get_bulk_async(queue, callback=callback)
        except BotoCoreError as error:
            # No credentials for signing: like SQS, they may be available again later.
            self._poll_failed(queue, FailedPoll(403, str(error)))
            return callback(0)

    def _on_messages_ready(self, queue: str, qname: str, messages: Any) -> int:
        # kombu 5.7.0 passes [] for a 408, a 5xx or a curl error, and its own
        # [].get() then ends the worker.
        if not isinstance(messages, dict):
            failure = messages if isinstance(messages, FailedPoll) else FailedPoll(599, "failed")
            self._poll_failed(qname, failure)
            return 0
        if failures := self._turns[qname].failures:
            logger.info("polling SQS works again after %d failures", failures)
        received = messages.get("Messages") or []
        # A proxy between us and SQS may answer with arbitrary JSON.
        usable = [message for message in received if _is_message(message)]
        if len(usable) < len(received):
            logger.warning("SQS returned %d messages without a body", len(received) - len(usable))
        self._turns.answered(qname, len(usable))
        requests = []
        for message in usable:
            if is_ignored(self._text_of(message)):
                logger.debug("S3 event %s announces no photo", message["MessageId"])
                self._delete_soon(queue, qname, message["ReceiptHandle"])
            else:
                requests.append(message)
        return super()._on_messages_ready(queue, qname, {"Messages": requests})

    def _poll_failed(self, queue: str, failure: FailedPoll) -> None:
        polls = self._turns[queue]
        polls.failures += 1
        logger.warning("polling SQS failed: %s: %d %s", queue, failure.status, failure.text)
        if not failure.final:
            polls.refused_since = None
            return
        now = time.monotonic()
        polls.refused_since = polls.refused_since or now
        if now - polls.refused_since >= self._patience:
            logger.critical(
                "worker stops: SQS has rejected its requests for %d s: %s",
                self._patience,
                failure.text,
            )
            raise WorkerShutdown(1)

    def _loop1(self, queue: str, messages_fetched: Any = None) -> None:
        failures = self._turns[queue].failures
        if not failures:
            at_once = messages_fetched or self._turns.may_follow_at_once(queue)
            super()._loop1(queue, at_once)
            return
        pause = min(MAX_POLL_BACKOFF_SECONDS, 2.0 ** min(failures - 1, 10))
        assert self.hub is not None
        self.hub.call_later(random.uniform(pause / 2, pause), self._schedule_queue, queue)

    def _message_to_python(self, message: Json, queue_name: str, q_url: str) -> Json:
        text = self._text_of(message)
        payload = translate(
            text,
            message["MessageId"],
            queue_name,
            trace_of_sqs_message(message),
            compact=is_compact(message),
        )
        return self._envelope_payload(payload, text, message, q_url)

    def _text_of(self, message: Json) -> str:
        if is_compact(message):
            # kombu would decode its base64 if the bytes happen to be UTF-8.
            return str(message["Body"])
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
            receipt = sqs_message(message)["ReceiptHandle"]
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


class Transport(SQS.Transport):
    """The ``broker_transport`` of the application."""

    Channel = Channel


def _allows_poll(hook: PollHook, queue: str) -> bool:
    try:
        return hook(queue)
    except Exception:
        # Propagating it would end the worker.
        logger.exception("a hook before the poll failed")
        return True


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(
        isinstance(message.get(name), str) for name in ("Body", "MessageId", "ReceiptHandle")
    )
