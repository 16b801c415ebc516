"""Dead letters: messages that SQS stopped delivering, with their recorded reasons."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from damage_tasks.errors import QueueUnavailable
from damage_tasks.sqs.batches import MAX_BATCH_ENTRIES, change_visibility
from damage_tasks.sqs.compact_message import CONTENT_TYPE_ATTRIBUTE, is_compact
from damage_tasks.sqs.envelope import translate
from damage_tasks.sqs.inspection_options import FIRST_SENT
from damage_tasks.sqs.queues import Queue, dead_letter_queue
from damage_tasks.sqs.task_names import DETECT_DAMAGE
from damage_tasks.sqs.trace_headers import AWS_TRACE_HEADER, TRACE_HEADERS, trace_of_sqs_message

# Seconds for which a message is hidden from others while it is read; tens of thousands
# can be listed in that time.
HOLD_SECONDS = 600
MAX_EMPTY_RECEIVES = 2  # in a row; SQS queries only some of its servers at a time
UNKNOWN_REASON = "unknown"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of the dead-letter queue.

    ``id`` is the task id, which is the inspection's id too; ``photo_url`` is
    None for a message that is not a request.  ``sent`` is when it was sent, and ``metadata`` what
    the sender said about the photo, unchecked.  ``body`` is the text of the message; for a compact
    one, that of Celery's equal message.
    """

    id: str
    message_id: str
    photo_url: str | None
    sent: datetime
    body: str
    receipt: str
    queue: str  # the name of the queue that it came from
    group: str | None = None  # its MessageGroupId
    metadata: Mapping[str, Any] = field(default_factory=dict)
    trace: dict[str, str] = field(default_factory=dict)  # the trace headers of its attributes
    reason: str = UNKNOWN_REASON
    text: str = ""
    attempts: int | None = None
    finished: str | None = None


class DeadLetters:
    """The dead-letter queue of ``queue``; every method raises `QueueUnavailable`."""

    def __init__(self, sqs: Any, queue: Queue, dead: Queue) -> None:
        self._sqs = sqs
        self._queue = queue
        self._dead = dead
        self._removed: set[str] = set()  # receipts

    @contextmanager
    def held(self, limit: int | None = None) -> Iterator[Iterator[DeadLetter]]:
        """The dead letters, at most ``limit``, hidden from others until this context ends.

        Those that were neither replayed nor dropped are visible again afterwards.
        """
        seen: dict[str, DeadLetter] = {}
        try:
            with _errors(self._dead.url):
                yield self._receive(seen, limit)
        finally:
            self._show_again([x.receipt for x in seen.values() if x.receipt not in self._removed])

    def replay(self, letter: DeadLetter) -> None:
        """Send it to the queue again under the same id, then delete it here.

        Safe to repeat: an existing inspection is not duplicated.
        """
        message = translate(letter.body, letter.message_id, self._queue.name, letter.trace)
        message["headers"]["retries"] = 0
        # Its time counts from now: as a dead letter, it has been counted as late.
        message["headers"].pop(FIRST_SENT, None)
        with _errors(self._queue.url):
            self._sqs.send_message(
                QueueUrl=self._queue.url,
                MessageBody=json.dumps(message),
                **({"MessageGroupId": letter.group} if letter.group else {}),
            )
        self.drop(letter)

    def drop(self, letter: DeadLetter) -> None:
        """Delete it if it still exists; the inspection keeps its reason."""
        with _errors(self._dead.url):
            try:
                self._sqs.delete_message(QueueUrl=self._dead.url, ReceiptHandle=letter.receipt)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ReceiptHandleIsInvalid":
                    raise
        self._removed.add(letter.receipt)

    def _receive(self, seen: dict[str, DeadLetter], limit: int | None) -> Iterator[DeadLetter]:
        empty = known = 0
        while (limit is None or len(seen) < limit) and empty < MAX_EMPTY_RECEIVES:
            answer = self._sqs.receive_message(
                QueueUrl=self._dead.url,
                MaxNumberOfMessages=min(MAX_BATCH_ENTRIES, limit - len(seen))
                if limit
                else MAX_BATCH_ENTRIES,
                VisibilityTimeout=HOLD_SECONDS,
                WaitTimeSeconds=1,
                MessageSystemAttributeNames=[
                    "MessageGroupId",
                    "SentTimestamp",
                    AWS_TRACE_HEADER,
                ],
                MessageAttributeNames=[CONTENT_TYPE_ATTRIBUTE, *TRACE_HEADERS],
            )
            messages = answer.get("Messages", [])
            empty = 0 if messages else empty + 1
            new = [message for message in messages if message["MessageId"] not in seen]
            # If there are very many, the first ones may be visible again; once all of them
            # have been received again, there are no others.
            known = 0 if new else known + 1
            if known > MAX_EMPTY_RECEIVES + len(seen) / MAX_BATCH_ENTRIES:
                return
            # In a single step: a caller that stops early must not leave the others hidden.
            letters = {message["MessageId"]: _letter(message, self._queue.name) for message in new}
            seen.update(letters)
            yield from letters.values()

    def _show_again(self, receipts: list[str]) -> None:
        # If that fails, they become visible by themselves after HOLD_SECONDS seconds.
        with suppress(ClientError, BotoCoreError):
            change_visibility(self._sqs, self._dead.url, receipts, 0)


class DeadLettersOfQueues:
    """The dead letters of several queues, one after the other; raises the same errors."""

    def __init__(self, queues: Sequence[DeadLetters]) -> None:
        self._queues = queues
        self._owners: dict[str, DeadLetters] = {}  # by receipt

    @contextmanager
    def held(self, limit: int | None = None) -> Iterator[Iterator[DeadLetter]]:
        """The dead letters, at most ``limit`` in all; see `DeadLetters.held`."""
        with ExitStack() as contexts:
            yield islice(self._receive(contexts, limit), limit)

    def replay(self, letter: DeadLetter) -> None:
        """Send it to its own queue again; see `DeadLetters.replay`."""
        self._owners[letter.receipt].replay(letter)

    def drop(self, letter: DeadLetter) -> None:
        """Delete it if it still exists; the inspection keeps its reason."""
        self._owners[letter.receipt].drop(letter)

    def _receive(self, contexts: ExitStack, limit: int | None) -> Iterator[DeadLetter]:
        received = 0
        for queue in self._queues:
            left = None if limit is None else limit - received
            for letter in contexts.enter_context(queue.held(left)):
                received += 1
                self._owners[letter.receipt] = queue
                yield letter


def dead_letters_of(sqs: Any, queues: Iterable[Queue]) -> DeadLettersOfQueues:
    """The dead letters of ``queues``; raises `QueueUnsafe` if one has no dead-letter queue."""
    return DeadLettersOfQueues(
        [DeadLetters(sqs, queue, dead_letter_queue(sqs, queue)) for queue in queues]
    )


def _letter(message: dict[str, Any], queue: str) -> DeadLetter:
    compact = is_compact(message)
    decoded = message["Body"] if compact else _decoded(message["Body"])
    envelope = translate(decoded, message["MessageId"], "", compact=compact)
    args, kwargs, _ = json.loads(base64.b64decode(envelope["body"]))
    is_request = _is_request(envelope)
    url = (args[0] if args else kwargs.get("url")) if is_request else None
    metadata = (args[1] if len(args) > 1 else kwargs.get("metadata")) if is_request else None
    return DeadLetter(
        id=envelope["headers"]["id"],
        message_id=message["MessageId"],
        photo_url=url if isinstance(url, str) else None,
        sent=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
        # A replay sends the call that a compact message stands for, in JSON.
        body=json.dumps(envelope) if compact else decoded,
        receipt=message["ReceiptHandle"],
        queue=queue,
        group=message["Attributes"].get("MessageGroupId"),
        metadata=metadata if isinstance(metadata, Mapping) else {},
        trace=trace_of_sqs_message(message),
    )


def _decoded(text: str) -> str:
    """The text whose base64 kombu sends; any other text is returned unchanged."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return text


def _is_request(envelope: dict[str, Any]) -> bool:
    return bool(envelope["headers"]["task"] == DETECT_DAMAGE)


@contextmanager
def _errors(url: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise QueueUnavailable(f"{url}: {error}") from None
