"""Examined photos in a database and a bucket, and decisions about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from damage_tasks.damage import Damage
from damage_tasks.inspection import PhotoFacts
from damage_tasks.results.store import Inspections
from damage_tasks.review.recording import record
from tools.sample_pictures_and_results import damage, finding, inspection, jpeg

WIDTH, HEIGHT = 320, 240
DENT = replace(damage("dent"), polygon=((20, 20), (100, 20), (100, 80), (20, 80)))
SCRATCH = replace(damage("scratch"), polygon=((200, 100), (280, 100), (280, 110), (200, 110)))


class Archive:
    """The database and bucket of a deployment."""

    def __init__(self, store: Inspections, client: Any, bucket: str) -> None:
        self.store = store
        self._client = client
        self._bucket = bucket

    @staticmethod
    def photo_of(name: str) -> bytes:
        """The photo of the inspection ``name``, unless a test gives another."""
        return jpeg(WIDTH, HEIGHT, seed=sum(name.encode()))

    @classmethod
    def digest_of(cls, name: str, data: bytes = b"") -> str:
        """The digest of that photo, or of ``data``."""
        return hashlib.sha256(data or cls.photo_of(name)).hexdigest()

    def add(
        self, name: str, *damages: Damage, data: bytes = b"", kept: bool = True, **changes: Any
    ) -> str:
        """Store the inspection ``name`` of a new photo; returns the photo's digest."""
        data = data or self.photo_of(name)
        sha256 = self.digest_of(name, data)
        found = finding(*damages, **changes.pop("found", {}))
        facts = PhotoFacts(sha256, len(data), WIDTH, HEIGHT)
        changes.setdefault("photo_url", f"s3://{self._bucket}/uploads/{name}.jpg")
        self.store.save(inspection(name, found, sha256=sha256, photo=facts, **changes))
        if kept:
            self._client.put_object(Bucket=self._bucket, Key=f"photos/{sha256}", Body=data)
        return sha256

    def decide(self, name: str, action: str, person: str = "ann", **payload: Any) -> None:
        """Record a decision about the inspection ``name``."""
        record(self.store, name, person, action, payload)


@contextmanager
def _archive_in(
    url: str, aws: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Archive]:
    monkeypatch.setenv("DAMAGE_DATABASE_URL", url)
    monkeypatch.setenv("DAMAGE_BUCKET", bucket)
    store = Inspections(url)
    yield Archive(store, aws.client("s3"), bucket)
    store.close()


@pytest.fixture
def archive(
    aws: Any, bucket: str, migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Archive]:
    with _archive_in(migrated_sqlite_url, aws, bucket, monkeypatch) as archive:
        yield archive


@pytest.fixture
def archive_in_each_database(
    aws: Any, bucket: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Archive]:
    """The archive in PostgreSQL, and again in SQLite."""
    with _archive_in(database_url, aws, bucket, monkeypatch) as archive:
        yield archive
