"""Sends many messages with few requests to SQS."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from kombu.connection import Connection

from damage_tasks.errors import PhotosNotSent
from damage_tasks.sqs.batches import MAX_BATCH_ENTRIES
from damage_tasks.sqs.transport import Channel, Json, Transport

# Bytes of all messages in a request.  SQS accepts 1 MiB, but emulators and proxies may still
# have its limit of before August 2025.
MAX_REQUEST_BYTES = 256 * 1024
MAX_ATTEMPTS = 5  # for messages that SQS did not accept through no fault of theirs
FIRST_PAUSE_SECONDS = 0.2  # seconds before the second attempt; doubled before each further one


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message for the queue at ``queue_url``; ``entry`` is its part of a batch request.

    ``id`` is the task id, None if it will be the MessageId.  ``label`` names the photo in errors.
    """

    id: str | None
    label: str
    queue_url: str
    entry: Json

    @property
    def size(self) -> int:
        """The bytes that SQS counts: the body's and those of its attributes."""
        attributes = self.entry.get("MessageAttributes", {})
        return len(self.entry["MessageBody"].encode()) + sum(
            len(name) + len(value["DataType"]) + len(value.get("StringValue", "").encode())
            for name, value in attributes.items()
        )


class RecordingChannel(Channel):
    """A channel that sends nothing: `take` returns the message that was published last."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._requests: list[Json] = []

    def sqs(self, queue: str | None = None) -> RecordingChannel:
        """This channel itself, of which kombu calls only `send_message`."""
        return self

    def send_message(self, **request: Any) -> None:
        """Record the arguments of boto3's method of this name."""
        self._requests.append(request)

    def take(self, id: str, label: str) -> OutgoingMessage:
        """The message that was published last, which has the task id ``id``."""
        request = self._requests.pop()
        return OutgoingMessage(id, label, request.pop("QueueUrl"), request)


class RecordingTransport(Transport):
    """A transport whose channels send nothing."""

    Channel = RecordingChannel


@contextmanager
def recording_channel(transport_options: Json) -> Iterator[RecordingChannel]:
    """A channel for messages that are sent by `send_in_batches`."""
    with Connection(
        "sqs://", transport=RecordingTransport, transport_options=transport_options
    ) as connection:
        yield connection.default_channel


def send_in_batches(sqs: Any, messages: Iterable[OutgoingMessage]) -> Iterator[str]:
    """Send ``messages`` in as few requests as possible; yields their ids, in order.

    Raises `PhotosNotSent`.
    """
    first = 0  # position in `messages` of the first one of a request
    for batch in in_requests(messages):
        ids, reasons = send_batch(sqs, batch)
        failed_at = min(reasons, default=len(batch))
        yield from (ids[position] for position in range(failed_at))
        if reasons:
            raise _not_sent(batch, ids, reasons, first)
        first += len(batch)


def _not_sent(
    batch: Sequence[OutgoingMessage], ids: dict[int, str], reasons: dict[int, str], first: int
) -> PhotosNotSent:
    shown = "; ".join(
        f"photo {first + position} ({batch[position].label}): {reasons[position]}"
        for position in sorted(reasons)
    )
    return PhotosNotSent(
        f"{len(reasons)} of the {len(batch)} photos of a request were not sent: {shown}",
        not_sent={first + position: reason for position, reason in reasons.items()},
        sent={
            first + position: id for position, id in sorted(ids.items()) if position > min(reasons)
        },
    )


def in_requests(messages: Iterable[OutgoingMessage]) -> Iterator[list[OutgoingMessage]]:
    """``messages`` in order, as many at a time as one request may have."""
    batch: list[OutgoingMessage] = []
    size = 0
    for message in messages:
        if batch and (len(batch) == MAX_BATCH_ENTRIES or size + message.size > MAX_REQUEST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += message.size
    if batch:
        yield batch


def send_batch(sqs: Any, batch: Sequence[OutgoingMessage]) -> tuple[dict[int, str], dict[int, str]]:
    """Send the messages of one request; returns ids and reasons by position in ``batch``.

    The ids are those of the messages that SQS accepted, the reasons SQS's for the others.
    Messages that SQS could not accept are sent again, at most `MAX_ATTEMPTS` times.  A failed
    request is a reason for each of its messages.
    """
    ids: dict[int, str] = {}
    reasons: dict[int, str] = {}
    waiting = list(range(len(batch)))
    for attempt in range(MAX_ATTEMPTS):
        if attempt:
            time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))
        try:
            answer = sqs.send_message_batch(
                QueueUrl=batch[0].queue_url,
                Entries=[{"Id": str(position), **batch[position].entry} for position in waiting],
            )
        except (ClientError, BotoCoreError) as error:
            # The client itself has already repeated the request.
            return ids, reasons | dict.fromkeys(waiting, str(error))
        failed = {int(entry["Id"]): entry for entry in answer.get("Failed", [])}
        reasons |= {
            position: f"{entry['Code']}: {entry.get('Message', '')}"
            for position, entry in failed.items()
        }
        message_ids = {int(entry["Id"]): entry["MessageId"] for entry in answer["Successful"]}
        for position in set(waiting) - set(failed):
            ids[position] = batch[position].id or message_ids[position]
            reasons.pop(position, None)
        waiting = sorted(position for position in failed if not failed[position]["SenderFault"])
        if not waiting:
            break
    return ids, reasons
