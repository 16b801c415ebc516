"""Sends a message for each of several uploaded photos that one event announced."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from damage_tasks.intake.s3_events import Upload
from damage_tasks.sqs.celery_message import Json
from damage_tasks.sqs.outgoing_batches import OutgoingMessage, send_in_batches
from damage_tasks.sqs.trace_headers import with_trace
from damage_tasks.sqs.upload_messages import message_of_upload
from damage_tasks.telemetry import redact


def forward(
    sqs: Any, queue_url: str, queue: str, message_id: str, uploads: Iterable[Json], trace: Json
) -> int:
    """Send a request for each of ``uploads`` and return their number; raises `PhotosNotSent`.

    ``message_id`` is that of the event, and ``trace`` has its trace headers.
    Safe to repeat: each upload always has the same id.
    """
    messages = (
        OutgoingMessage(
            id=upload.id,
            label=redact(upload.url),
            queue_url=queue_url,
            entry={"MessageBody": json.dumps(with_trace(message, trace))},
        )
        for upload in (Upload(**each) for each in uploads)
        for message in [message_of_upload(upload, message_id, queue)]
    )
    return sum(1 for _ in send_in_batches(sqs, messages))
