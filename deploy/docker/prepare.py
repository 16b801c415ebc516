"""Creates the compose stack's AWS resources; existing ones are not changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import boto3

from damage_tasks.sqs.queues import create_queues

BUCKETS = ["damage-overlays", "damage-photos", "damage-models", "damage-logs"]
BUNDLE = Path("/bundle")
VISIBILITY_TIMEOUT = 180


def main() -> None:
    """Create the missing resources."""
    for variable in ("DAMAGE_QUEUE_URL", "DAMAGE_SHADOW_QUEUE_URL"):
        if queue := os.environ.get(variable, "").rpartition("/")[2]:
            print("queue", create_queues(boto3.client("sqs"), queue, VISIBILITY_TIMEOUT))

    s3 = boto3.client("s3")
    there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for bucket in BUCKETS:
        if bucket not in there:
            s3.create_bucket(Bucket=bucket)
        print("bucket", bucket)

    # Upload the manifest last: until then, the bundle does not exist.
    manifest = json.loads((BUNDLE / "manifest.json").read_text())
    files = sorted(BUNDLE.rglob("*"), key=lambda path: path.name == "manifest.json")
    for path in files:
        if path.is_file():
            key = f"default/{path.relative_to(BUNDLE)}"
            s3.upload_file(str(path), "damage-models", key)
    print("bundle", manifest["name"], manifest["version"], "at s3://damage-models/default")


if __name__ == "__main__":
    main()
