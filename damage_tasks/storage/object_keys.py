"""Keys of objects in the bucket."""

from __future__ import annotations


def photo_key(sha256: str) -> str:
    """The key of the kept photo with the digest ``sha256``."""
    return f"photos/{sha256}"


def picture_key(photo_sha256: str, bundle_digest: str) -> str:
    """The key of a photo's overlay and mask: made of digests only, so it is always the same.

    It begins with the photo's digest, so that S3 can spread the keys over partitions.
    """
    return f"{photo_sha256[:2]}/{photo_sha256}/{bundle_digest[:16]}"


def picture_prefixes(photo_sha256: str) -> tuple[str, str]:
    """What the keys of all overlays and masks of a photo begin with."""
    folder = f"{photo_sha256[:2]}/{photo_sha256}/"
    return f"overlays/{folder}", f"masks/{folder}"
