"""S3's events about an uploaded object, in every form in which they arrive."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

BUCKET = "damage-uploads"


def record(key: str, name: str = "ObjectCreated:Put", /, **changes: Any) -> dict[str, Any]:
    """One record of a direct event; ``changes`` are those of the object."""
    return {
        "eventVersion": "2.6",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2026-11-29T09:45:35.094Z",
        "eventName": name,
        "userIdentity": {"principalId": "EXAMPLE"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "R1", "x-amz-id-2": "EXAMPLE"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "uploads",
            "bucket": {"name": BUCKET, "arn": f"arn:aws:s3:::{BUCKET}"},
            "object": {
                "key": quote_plus(key, safe="/"),
                "size": 1024,
                "eTag": "9dd4e461268c8034f5c8564e155c67a6",
                "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                "sequencer": "0055AED6DCD90281E5",
                **changes,
            },
        },
    }


def direct(*records: dict[str, Any]) -> dict[str, Any]:
    """A direct event."""
    return {"Records": list(records)}


def in_sns(event: Any) -> dict[str, Any]:
    """``event`` in the envelope of SNS."""
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:uploads",
        "Subject": "Amazon S3 Notification",
        "Message": json.dumps(event),
        "Timestamp": "2026-11-29T09:45:35.200Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
    }


def from_eventbridge(key: str, kind: str = "Object Created") -> dict[str, Any]:
    """An event of EventBridge, whose keys are not encoded."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-11-29T09:45:35Z",
        "region": "eu-central-1",
        "resources": [f"arn:aws:s3:::{BUCKET}"],
        "detail": {
            "version": "0",
            "bucket": {"name": BUCKET},
            "object": {
                "key": key,
                "size": 1024,
                "etag": "9dd4e461268c8034f5c8564e155c67a6",
                "version-id": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                "sequencer": "0055AED6DCD90281E5",
            },
            "request-id": "R1",
            "requester": "123456789012",
            "reason": "PutObject",
        },
    }


def cloud_event(data: dict[str, Any], name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """A structured CloudEvent; ``data`` is a direct event or one record of it."""
    return {
        "specversion": "1.0",
        "id": "R1.EXAMPLE",
        "source": f"aws:s3.eu-central-1.{BUCKET}",
        "type": f"com.amazonaws.s3.{name}",
        "subject": "key",
        "time": "2026-11-29T09:45:35.094Z",
        "datacontenttype": "application/json",
        "data": data,
    }


def all_forms(key: str) -> dict[str, dict[str, Any]]:
    """Events about the object ``key``, by the name of the form."""
    return {
        "direct": direct(record(key)),
        "SNS": in_sns(direct(record(key))),
        "EventBridge": from_eventbridge(key),
        "a CloudEvent of a record": cloud_event(record(key)),
        "a CloudEvent of an event": cloud_event(direct(record(key))),
    }


TEST_EVENT = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2026-11-29T09:45:33.000Z",
    "Bucket": BUCKET,
    "RequestId": "6fc8a2ab",
    "HostId": "dcb5f235",
}


def ignored() -> dict[str, Any]:
    """Events that announce no photo."""
    removed = "ObjectRemoved:Delete"
    return {
        "test event": TEST_EVENT,
        "test event in SNS": in_sns(TEST_EVENT),
        "deleted": direct(record("a.jpg", removed)),
        "deleted, in SNS": in_sns(direct(record("a.jpg", removed))),
        "deleted, from EventBridge": from_eventbridge("a.jpg", "Object Deleted"),
        "deleted, as a CloudEvent": cloud_event(record("a.jpg", removed), removed),
        "restored": direct(record("a.jpg", "ObjectRestore:Completed")),
        "a folder": direct(record("rentals/", size=0)),
    }
