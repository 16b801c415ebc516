"""Reads S3's events: direct, in an SNS envelope, from EventBridge, or as CloudEvents.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
https://github.com/cloudevents/spec/blob/main/cloudevents/adapters/aws-s3.md
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_plus

Json = dict[str, Any]

TEST_EVENT = "s3:TestEvent"
_CLOUD_EVENT_TYPE = "com.amazonaws.s3."
_CREATED = "ObjectCreated:"
_CREATED_IN_EVENTBRIDGE = "Object Created"
# Each form contains one of these.
_MARKS = ("aws:s3", "aws.s3", "amazonaws.s3", TEST_EVENT)


@dataclass(frozen=True, slots=True)
class Upload:
    """An object that was created in a bucket; ``version`` is its version, or else its ETag."""

    bucket: str
    key: str
    version: str
    sequencer: str

    @property
    def url(self) -> str:
        """Its ``s3://`` URL."""
        return f"s3://{self.bucket}/{quote(self.key)}"

    @property
    def id(self) -> str:
        """The inspection's id, the same for each event about this upload."""
        identity = json.dumps([self.bucket, self.key, self.version, self.sequencer])
        return f"s3-{hashlib.sha256(identity.encode()).hexdigest()[:40]}"


def may_be_s3_event(text: str) -> bool:
    """Whether ``text`` can be an S3 event; quick, for bodies of any size."""
    return any(mark in text for mark in _MARKS)


def uploads_in(payload: Any) -> list[Upload] | None:
    """The photos that an event says were uploaded; None if ``payload`` is not an S3 event.

    Empty for S3's test event, for other events such as deletions, and for folders created in the
    console.  Raises `ValueError` for an S3 event that cannot be understood.
    """
    event = _without_sns(payload)
    match event:
        case {"Event": "s3:TestEvent"}:
            return []
        case {"Records": [_, *_] as records} if all(map(_is_s3_record, records)):
            found = [_of_record(record) for record in records]
        case {"source": "aws.s3", "detail-type": str(kind), "detail": dict(detail)}:
            found = [_of_eventbridge(detail)] if kind == _CREATED_IN_EVENTBRIDGE else []
        case {"specversion": str(), "type": str(kind), "data": dict(data)} if kind.startswith(
            _CLOUD_EVENT_TYPE
        ):
            return uploads_in(data if "Records" in data else {"Records": [data]})
        case _:
            return None
    return [upload for upload in found if upload is not None]


def _without_sns(payload: Any) -> Any:
    match payload:
        case {"Type": "Notification", "TopicArn": str(), "Message": str(message)}:
            try:
                return json.loads(message)
            except (ValueError, RecursionError):
                return None
    return payload


def _is_s3_record(record: Any) -> bool:
    return isinstance(record, dict) and record.get("eventSource") == "aws:s3"


def _of_record(record: Json) -> Upload | None:
    version = record.get("eventVersion")
    if not isinstance(version, str) or not version.startswith("2."):
        raise ValueError(f"S3 events of version {str(version)[:20]!r} are not supported")
    name = record.get("eventName")
    if not isinstance(name, str):
        raise ValueError("the S3 event has no name")
    if not name.removeprefix("s3:").startswith(_CREATED):
        return None
    s3 = record.get("s3")
    # Form-encoded, so "+" means a space.
    return _upload(s3, "eTag", "versionId", decode=True)


def _of_eventbridge(detail: Json) -> Upload | None:
    return _upload(detail, "etag", "version-id", decode=False)


def _upload(s3: Any, etag: str, version: str, *, decode: bool) -> Upload | None:
    """The upload described by ``bucket`` and ``object``; None for a folder."""
    match s3:
        case {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **rest}} if key:
            try:
                key = unquote_plus(key, errors="strict") if decode else key
                key.encode()
            except UnicodeError:
                raise ValueError("the key in the S3 event is not UTF-8") from None
            if key.endswith("/") and not rest.get("size"):
                return None
            identity = rest.get(version) or rest.get(etag) or ""
            return Upload(bucket, key, str(identity), str(rest.get("sequencer") or ""))
    raise ValueError("the S3 event names no bucket or key")
