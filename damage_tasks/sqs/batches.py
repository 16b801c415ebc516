"""Requests for several messages at once, of which SQS allows at most ten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

MAX_BATCH_ENTRIES = 10


def in_batches(entries: Sequence[str]) -> Iterator[Sequence[str]]:
    """``entries`` in order, at most `MAX_BATCH_ENTRIES` at a time."""
    for first in range(0, len(entries), MAX_BATCH_ENTRIES):
        yield entries[first : first + MAX_BATCH_ENTRIES]


def change_visibility(sqs: Any, url: str, receipts: Sequence[str], seconds: int) -> list[str]:
    """Hide messages of the queue ``url`` for ``seconds``; 0 makes them visible at once.

    ``receipts`` are receipt handles.  Returns SQS's reasons for those that it rejected.
    Raises botocore's `ClientError` and `BotoCoreError`.
    """
    return _in_requests(
        lambda entries: sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries),
        receipts,
        VisibilityTimeout=seconds,
    )


def delete_messages(sqs: Any, url: str, receipts: Sequence[str]) -> list[str]:
    """Delete messages of the queue ``url``; returns and raises as `change_visibility` does."""
    return _in_requests(
        lambda entries: sqs.delete_message_batch(QueueUrl=url, Entries=entries), receipts
    )


def _in_requests(
    request: Callable[[list[dict[str, Any]]], Any], receipts: Sequence[str], **fields: int
) -> list[str]:
    refused: list[str] = []
    for batch in in_batches(receipts):
        answer = request(
            [
                {"Id": str(number), "ReceiptHandle": receipt, **fields}
                for number, receipt in enumerate(batch)
            ]
        )
        refused += [str(entry.get("Message")) for entry in answer.get("Failed", [])]
    return refused
