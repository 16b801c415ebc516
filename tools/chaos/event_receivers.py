"""A webhook that often fails and a queue, both targets of every event of a run."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from threading import Lock
from typing import Any

from damage_tasks.devstack.aws_emulator import REGION
from tools.webhook_receiver import Behaviour, WebhookReceiver, answer, close, hang

QUEUE_NAME = "events"
QUEUE = f"arn:aws:sqs:{REGION}:000000000000:{QUEUE_NAME}"
SECRET = "whsec_Y2hhb3MgdGVzdHMgc2lnbiB0aGVpciB3ZWJob29rcw=="
# Enough attempts to outlast every outage.
DELIVERY_DELAYS = ",".join(["1"] * 60)


def lose_answer(handler: BaseHTTPRequestHandler) -> None:
    """Accept the event, and close the connection without an answer."""
    handler.send_response(204)
    handler.close_connection = True


# What the webhook does with a request, and how often in a hundred requests.
BEHAVIOURS: tuple[tuple[Behaviour, int], ...] = (
    (answer(204), 60), (answer(500), 15), (close, 15), (lose_answer, 7), (hang, 3),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """An event at a receiver; ``about`` is the id of an inspection or a case."""

    id: str
    type: str
    about: str


def event_of(id: str, body: str | bytes) -> Event:
    """The event with the JSON ``body``."""
    event = json.loads(body)
    data = event["data"]
    return Event(id, event["type"], data["id"] if "id" in data else data["case_id"])


class EventReceivers:
    """Both receivers; the webhook misbehaves from `misbehave` until `heal`."""

    def __init__(self, sqs: Any) -> None:
        self._webhook = WebhookReceiver()
        self._sqs = sqs
        self._queue_url = sqs.create_queue(QueueName=QUEUE_NAME)["QueueUrl"]
        self._lock = Lock()
        self.settings = {
            "DAMAGE_EVENT_TARGETS": f"{self._webhook.url},{QUEUE}",
            "DAMAGE_WEBHOOK_SECRETS": SECRET,
            "DAMAGE_WEBHOOK_TIMEOUT": "15",
            "DAMAGE_DELIVERY_DELAYS": DELIVERY_DELAYS,
            "DAMAGE_INTERNAL_WEBHOOK_HOSTS": f"127.0.0.1:{self._webhook.port}",
        }

    def misbehave(self, seed: int) -> None:
        """Fail at random from now on."""
        chance = random.Random(f"webhook {seed}")
        behaviours, weights = zip(*BEHAVIOURS, strict=True)

        def behave(handler: BaseHTTPRequestHandler) -> None:
            with self._lock:
                (behaviour,) = chance.choices(behaviours, weights)
            behaviour(handler)

        self._webhook.behave = behave

    def heal(self) -> None:
        """Accept everything from now on."""
        self._webhook.behave = answer(204)

    @property
    def refused(self) -> int:
        """The number of requests that the webhook did not accept."""
        return len(self._webhook.requests) - len(self._webhook.accepted)

    def accepted(self) -> Mapping[str, list[Event]]:
        """The events that each target has accepted; empties the queue."""
        webhook = [
            event_of(request.headers["webhook-id"], request.body)
            for request in list(self._webhook.accepted)
        ]
        return {self._webhook.url: webhook, QUEUE: list(self._receive())}

    def close(self) -> None:
        """Stop the webhook."""
        self._webhook.close()

    def _receive(self) -> Iterator[Event]:
        while messages := self._sqs.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["webhook-id"]
        ).get("Messages"):
            for message in messages:
                id = message["MessageAttributes"]["webhook-id"]["StringValue"]
                yield event_of(id, message["Body"])
                self._sqs.delete_message(
                    QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
                )
