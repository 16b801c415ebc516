"""Decides when unacknowledged messages are delivered again: visibility timeouts and rejections."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from kombu.log import get_logger
from kombu.transport import SQS

from damage_tasks.sqs.batches import change_visibility

logger = get_logger(__name__)

# Seconds until a rejected message is retried; doubled at each receive.
FIRST_REDELIVERY_SECONDS = 5
MAX_REDELIVERY_SECONDS = 900


class RedeliveryChannel(SQS.Channel):
    """Hides the worker's messages, and returns to the queue those that it cannot finish.

    No message is deleted before it has a verdict.
    """

    def unacknowledged(self) -> dict[str, Any]:
        """The messages that were received and not yet acknowledged, by delivery tag."""
        delivered = list(self.qos._delivered.items())
        return {tag: message for tag, message in delivered if tag not in self.qos._dirty}

    def hide(self, tags: Iterable[str], seconds: int) -> None:
        """Hide the messages with these delivery tags from other workers for ``seconds``.

        Raises botocore's `ClientError` and `BotoCoreError`.
        """
        messages = self.unacknowledged()
        self._change_visibility({tag: messages[tag] for tag in tags if tag in messages}, seconds)

    def hand_back(self, tags: Iterable[str]) -> None:
        """Return the messages with these delivery tags to the queue, immediately visible.

        Raises the same errors as `hide`; the messages are then visible after their timeout.
        """
        given_up = {tag: self.qos._delivered.pop(tag, None) for tag in tags}
        self._change_visibility({tag: m for tag, m in given_up.items() if m is not None}, 0)

    def _change_visibility(self, messages: Mapping[str, Any], seconds: int) -> None:
        receipts: dict[str, list[str]] = {}
        for tag, message in messages.items():
            # SQS's receipt handle is kombu's delivery tag.
            receipts.setdefault(message.delivery_info["routing_key"], []).append(tag)
        for queue, tags in receipts.items():
            url = self.predefined_queues[queue]["url"]
            for reason in change_visibility(self.sqs(queue), url, sorted(tags), seconds):
                logger.warning("visibility was not changed: %s", reason)

    def queue_visibility_timeout(self) -> int:
        """The queues' own visibility timeout in seconds, the shortest one, queried from SQS.

        The timeout in Celery's transport options applies only to queues that kombu creates
        (celery/celery#7234).
        """
        return min(self._visibility_timeout_of(queue) for queue in self.predefined_queues)

    def _visibility_timeout_of(self, queue: str) -> int:
        answer = self.sqs(queue).get_queue_attributes(
            QueueUrl=self.predefined_queues[queue]["url"], AttributeNames=["VisibilityTimeout"]
        )
        return int(answer["Attributes"]["VisibilityTimeout"])

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
        received = int(sqs_message(message).get("Attributes", {}).get("ApproximateReceiveCount", 1))
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
                ReceiptHandle=sqs_message(message)["ReceiptHandle"],
                VisibilityTimeout=seconds,
            )
            info["visible_at"] = time.time() + seconds
        except (ClientError, BotoCoreError, OSError) as error:
            logger.warning("message stays invisible until its timeout: %s", error)


def sqs_message(message: Any) -> dict[str, Any]:
    """SQS's own fields of a message that a channel received."""
    return dict(message.delivery_info["sqs_message"])
