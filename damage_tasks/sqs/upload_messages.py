"""Turns S3's events into requests to inspect the uploaded photos."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any

from damage_tasks.intake.s3_events import Upload, uploads_in
from damage_tasks.settings import get_settings
from damage_tasks.settings.key_template import KeyTemplate
from damage_tasks.sqs.celery_message import Json, celery_message
from damage_tasks.sqs.inspection_options import CASE_ID, MESSAGE_ID, OWN_ID, UPLOADED
from damage_tasks.sqs.task_names import DETECT_DAMAGE, FORWARD_UPLOADS, is_task_id


def message_of_event(payload: Any, message_id: str, queue: str) -> Json | None:
    """The Celery message for an S3 event; None for anything else and for events to ignore.

    An event about several photos becomes one call of `forward_uploads`, which sends a message for
    each of them.  Raises `ValueError` if the event cannot be understood, or if a bucket is not in
    DAMAGE_INTAKE_BUCKETS.
    """
    uploads = uploads_in(payload)
    if not uploads:
        return None
    allowed = get_settings().intake_buckets
    for upload in uploads:
        if upload.bucket not in allowed:
            raise ValueError(
                f"the bucket {upload.bucket[:80]!r} of the S3 event is not in DAMAGE_INTAKE_BUCKETS"
            )
    if len(uploads) == 1:
        return message_of_upload(uploads[0], message_id, queue)
    return celery_message(
        FORWARD_UPLOADS,
        [[asdict(upload) for upload in uploads]],
        {},
        message_id,
        queue,
        shown=f"({len(uploads)} uploads)",
    )


def message_of_upload(upload: Upload, message_id: str, queue: str) -> Json:
    """The Celery message that calls `detect_damage` for one uploaded photo."""
    template = get_settings().intake_key_template
    metadata = _key_template(template).metadata(upload.key) if template else {}
    # SQS may deliver an event twice, and S3 may send it twice.
    headers: Json = {OWN_ID: True, UPLOADED: True, MESSAGE_ID: message_id}
    if is_task_id(metadata.get(CASE_ID)):
        headers[CASE_ID] = metadata.pop(CASE_ID)
    return celery_message(DETECT_DAMAGE, [upload.url, metadata], {}, upload.id, queue, headers)


_key_template = cache(KeyTemplate)
