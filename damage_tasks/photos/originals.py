"""The original bytes of examined photos: which are kept, where, and how they are read."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

from damage_tasks.errors import OriginalUnavailable, PhotoRejected
from damage_tasks.inspection import Verdict
from damage_tasks.storage.object_keys import photo_key

_SAMPLE = "sample:"


class KeptPhotos(Protocol):
    """The bucket in which photos are kept."""

    def get(self, key: str) -> bytes:
        """The bytes under ``key``; raises `PhotoRejected` when they cannot be read."""


class Downloads(Protocol):
    """The source of callers' photos."""

    def download(self, url: str) -> bytes:
        """The bytes at ``url``; raises `PhotoRejected` when they cannot be read."""


class Original(NamedTuple):
    """The examined bytes; ``source`` is ``kept`` for a kept copy, ``url`` for the photo's URL."""

    data: bytes
    source: str


def is_kept(policy: str, sha256: str, verdict: Verdict) -> bool:
    """Whether DAMAGE_KEEP_PHOTOS = ``policy`` keeps an examined photo.

    ``sample:N`` keeps one photo in N, chosen deterministically by its digest.
    """
    if policy.startswith(_SAMPLE):
        return int(sha256[:15], 16) % int(policy.removeprefix(_SAMPLE)) == 0
    return policy == "all" or (policy == "damaged" and verdict is Verdict.DAMAGED)


def media_type(data: bytes) -> str:
    """The media type of a photo that can be decoded."""
    if data.startswith(b"\xff\xd8"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if data.startswith(b"RIFF") else "image/heic"


def read_original(
    sha256: str | None, url: str | None, *, kept: KeptPhotos, photos: Downloads
) -> bytes:
    """The bytes of `find_original`, which raises the same errors."""
    return find_original(sha256, url, kept=kept, photos=photos).data


def find_original(
    sha256: str | None, url: str | None, *, kept: KeptPhotos, photos: Downloads
) -> Original:
    """The examined bytes, from the kept copy or otherwise from ``url``, unless that is None.

    ``sha256`` is the digest of the examined photo; different bytes at ``url`` are not accepted.
    Raises `OriginalUnavailable` when neither has it, and a `TemporaryError` or
    `StorageError` when that cannot be determined.
    """
    if sha256 is None:
        raise OriginalUnavailable("original no longer available: it was never downloaded")
    source = "kept"
    try:
        data = kept.get(photo_key(sha256))
    except PhotoRejected:
        source = "url"
        if url is None:
            raise OriginalUnavailable("original no longer available: no copy was kept") from None
        try:
            data = photos.download(url)
        except PhotoRejected as error:
            raise OriginalUnavailable(
                f"original no longer available: no copy was kept, and {error}"
            ) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise OriginalUnavailable(
            "original no longer available: no copy was kept, and its address now has another photo"
        )
    return Original(data, source)


def read_overlay(address: str, *, kept: KeptPhotos) -> bytes:
    """The overlay that was stored at ``address``; raises as `read_original` does."""
    _, _, key = address.partition("/overlays/")
    try:
        return kept.get(f"overlays/{key}")
    except PhotoRejected as error:
        raise OriginalUnavailable(f"the overlay cannot be read: {error}") from None
