"""Interfaces of the parts that a pipeline needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from damage_tasks.inspection import Finding, Inspection, Progress
from model_store.identity import BundleIdentity

if TYPE_CHECKING:
    from damage_tasks.photos import Photo
    from damage_tasks.vision.segmenter import Segmentation
    from model_store.manifest import Decision


class Photos(Protocol):
    """Downloads and decodes photos."""

    def download(self, url: str) -> bytes:
        """The photo's bytes."""

    def object_metadata(self, url: str) -> dict[str, str]:
        """The metadata that the uploader of an ``s3://`` photo gave it."""

    def decode(self, data: bytes, side: int) -> Photo:
        """The decoded photo, its longer side about ``side`` pixels or more; 0 for full size."""


class Networks(Protocol):
    """Runs the networks on photos."""

    identity: BundleIdentity
    types: tuple[str, ...]
    decision: Decision

    @property
    def review_band(self) -> tuple[float, float]:
        """The damage scores (lowest, highest) at which a person should look at the photo."""

    @property
    def side(self) -> int:
        """The longest side of any network's input, in pixels."""

    def segment(self, pixels: Any) -> Segmentation:
        """Scores and masks for a photo (H x W x 3 uint8, BGR)."""


class Pictures(Protocol):
    """Stores overlays and masks."""

    def put(self, key: str, data: bytes, content_type: str) -> str:
        """Store ``data`` under ``key`` and return its URL."""

    def address(self, key: str) -> str:
        """The address that `put` returns for ``key``."""

    def has(self, address: str) -> bool:
        """Whether the object stored at ``address`` still exists."""


class Records(Protocol):
    """Stores inspections."""

    def find(self, id: str) -> Inspection | None:
        """The inspection stored under ``id``."""

    def find_progress(self, id: str) -> Progress | None:
        """What is known about a photo without a verdict."""

    def withdraw_failure(self, id: str) -> None:
        """Remove a failure that was stored in advance, before an attempt that may be retried."""

    def find_finding(self, photo_sha256: str, bundle_digest: str) -> Finding | None:
        """The finding already stored for a photo and a bundle."""

    def save(self, inspection: Inspection, callback_url: str | None = None) -> Inspection:
        """Store an inspection and return the one that is stored, which may be an earlier one.

        ``callback_url`` is a further target of its event.
        """


class Shadow(Protocol):
    """Another bundle that examines a share of the photos without counting."""

    def examined(self, photo_sha256: str, *, is_kept: bool) -> None:
        """A photo has a stored verdict, and its bytes are kept or not; never raises or waits."""
