"""Deletes objects from the bucket, including their older versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from damage_tasks.errors import StorageError
from damage_tasks.storage.object_keys import photo_key, picture_prefixes
from damage_tasks.storage.s3 import s3_client, translated_errors

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

MAX_KEYS = 1000  # of one request


class ObjectEraser:
    """Deletes objects of the bucket ``name``.

    The methods raise `StorageUnavailable` or `StorageError`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def keeps_versions(self) -> bool:
        """Whether the bucket keeps, or has kept, older versions of objects."""
        with translated_errors(f"s3://{self.name}", of_caller=False):
            return "Status" in self._client.get_bucket_versioning(Bucket=self.name)

    def erase(self, keys: Iterable[str]) -> int:
        """Delete the objects ``keys``; returns how many were requested or, in versions, found."""
        return self._delete(
            (found for key in keys for found in self._versions(key) if found["Key"] == key)
            if self.keeps_versions
            else ({"Key": key} for key in keys)
        )

    def erase_photo(self, sha256: str) -> int:
        """Delete everything that is stored about the photo, by any bundle; returns the number."""
        prefixes = (photo_key(sha256), *picture_prefixes(sha256))
        listed = self._versions if self.keeps_versions else self._objects
        return self._delete(found for prefix in prefixes for found in listed(prefix))

    @property
    def _client(self) -> S3Client:
        return s3_client()

    def _objects(self, prefix: str) -> Iterator[dict[str, str]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        for page in pages:
            for found in page.get("Contents", ()):
                yield {"Key": found["Key"]}

    def _versions(self, prefix: str) -> Iterator[dict[str, str]]:
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self.name, Prefix=prefix
        )
        for page in pages:
            for kind in ("Versions", "DeleteMarkers"):
                found: Any
                for found in page.get(kind, ()):  # type: ignore[attr-defined]
                    yield {"Key": found["Key"], "VersionId": found["VersionId"]}

    def _delete(self, objects: Iterable[dict[str, str]]) -> int:
        count, waiting = 0, iter(objects)
        with translated_errors(f"s3://{self.name}", of_caller=False):
            while some := list(islice(waiting, MAX_KEYS)):
                request: Any = {"Objects": some, "Quiet": True}
                answer = self._client.delete_objects(Bucket=self.name, Delete=request)
                for error in answer.get("Errors", ()):
                    raise StorageError(
                        f"s3://{self.name}/{error.get('Key')}: not deleted: {error.get('Code')}"
                    )
                count += len(some)
        return count
