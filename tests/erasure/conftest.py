"""A deployment with a database, a bucket and queues, and everything that it knows."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import metadata
from damage_tasks.sqs.queues import dead_letter_queue, read_queue
from damage_tasks.storage.object_keys import picture_key
from tests.labelling.conftest import Archive
from tools.sample_pictures_and_results import BUNDLE

HOOK = "https://rental.example/hooks"


class Deployment(Archive):
    """An archive with events, pictures and dead letters."""

    def __init__(self, aws: Any, url: str, bucket: str, queue_url: str) -> None:
        super().__init__(Inspections(url, [HOOK]), aws.client("s3"), bucket)
        self.sqs = aws.client("sqs")
        self.queue = read_queue(self.sqs, queue_url)
        self.dead = dead_letter_queue(self.sqs, self.queue)

    def add(self, name: str, *damages: Any, **changes: Any) -> str:
        """Store an inspection as `Archive.add` does, with its overlay and mask."""
        sha256 = self.digest_of(name, changes.get("data", b""))
        key = picture_key(sha256, BUNDLE.digest)
        keys = {"overlay_url": f"overlays/{key}.jpg", "mask_url": f"masks/{key}.png"}
        for each in keys.values():
            self._client.put_object(Bucket=self._bucket, Key=each, Body=sha256.encode())
        found = {field: f"s3://{self._bucket}/{each}" for field, each in keys.items()}
        changes.setdefault("photo_url", f"https://photos.example/{name}.jpg")
        return super().add(name, *damages, found={**found, **changes.pop("found", {})}, **changes)

    def send_dead_letter(self, url: str, **message: Any) -> None:
        body = json.dumps({"image_url": url, **message})
        self.sqs.send_message(QueueUrl=self.dead.url, MessageBody=body)

    def everything(self) -> str:
        """All rows of the database, all keys and contents of the bucket, and all dead letters."""
        with self.store.transaction() as connection:
            rows = [
                f"{table.name}: {row}"
                for table in metadata.sorted_tables
                for row in connection.execute(sa.select(table))
            ]
        listed = self._client.list_object_versions(Bucket=self._bucket)
        keys = [each["Key"] for each in listed.get("Versions", ())]
        objects = [f"{key} {self._read(key)!r}" for key in keys]
        letters = self.sqs.receive_message(
            QueueUrl=self.dead.url, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return "\n".join([*rows, *objects, *(m["Body"] for m in letters.get("Messages", ()))])

    def _read(self, key: str) -> bytes:
        found = self._client.get_object(Bucket=self._bucket, Key=key)
        return bytes(found["Body"].read())


@pytest.fixture
def deployment(
    aws: Any, bucket: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    queue_url = str(aws.create_queues(f"queue-{uuid.uuid4().hex[:8]}"))
    # The command configures logging, with a stream that ends with the test.
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setenv("DAMAGE_DATABASE_URL", database_url)
    monkeypatch.setenv("DAMAGE_BUCKET", bucket)
    monkeypatch.setenv("DAMAGE_QUEUE_URL", queue_url)
    deployment = Deployment(aws, database_url, bucket, queue_url)
    yield deployment
    deployment.store.close()
