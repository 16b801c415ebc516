"""The parts a pipeline is put together from, by what it needs of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from damage_tasks.inspection import BundleIdentity, Finding, Inspection

if TYPE_CHECKING:
    from damage_tasks.photos import Photo
    from damage_tasks.vision.segmenter import Segmentation
    from model_store.manifest import Decision


class Photos(Protocol):
    """Where photos come from."""

    def download(self, url: str) -> bytes:
        """The photo's bytes."""

    def decode(self, data: bytes, side: int) -> Photo:
        """The picture, its longer side about ``side`` pixels or more; 0 for all it has."""


class Networks(Protocol):
    """What looks at photos."""

    identity: BundleIdentity
    types: tuple[str, ...]
    decision: Decision

    @property
    def side(self) -> int:
        """The longest input of any network, in pixels."""

    def segment(self, pixels: Any) -> Segmentation:
        """Scores and masks of a photo (H x W x 3 uint8, BGR)."""


class Pictures(Protocol):
    """Where overlays and masks go."""

    def put(self, key: str, data: bytes, content_type: str) -> str:
        """Store ``data`` under ``key``; the address it can be found at."""


class Records(Protocol):
    """Where inspections go."""

    def find(self, id: str) -> Inspection | None:
        """The inspection that is stored under ``id``."""

    def find_finding(self, photo_sha256: str, bundle_digest: str) -> Finding | None:
        """What is already known of a photo."""

    def save(self, inspection: Inspection) -> Inspection:
        """Store an inspection; the one that is stored after that."""
