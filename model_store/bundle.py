"""A bundle in a local folder, verified against the checksums in its manifest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from typing_extensions import TypeVar

from model_store.errors import BundleError
from model_store.identity import BundleIdentity
from model_store.manifest import (
    BundleManifest,
    File,
    GoldenPhoto,
    Manifest,
    RedactionManifest,
    Weights,
    damage_manifest,
    read_any_manifest,
    redaction_manifest,
)

M = TypeVar("M", bound=BundleManifest, covariant=True, default=Manifest)


@dataclass(frozen=True, slots=True)
class Bundle(Generic[M]):
    """A verified bundle in a local folder; one that finds damage, unless its type says else."""

    folder: Path
    manifest: M
    digest: str

    @property
    def identity(self) -> BundleIdentity:
        """Name, version and digest, as recorded with every result."""
        return BundleIdentity(self.manifest.name, self.manifest.version, self.digest)

    @property
    def label(self) -> str:
        """Name, version and the first 12 digits of the digest, for display."""
        return f"{self.manifest.name} {self.manifest.version} ({self.digest[:12]})"


def open_bundle(folder: Path) -> Bundle:
    """The damage bundle in ``folder``; see `open_any_bundle`."""
    return damage_bundle(open_any_bundle(folder))


def damage_bundle(bundle: Bundle[BundleManifest]) -> Bundle:
    """``bundle`` if it finds damage.  Raises `BundleError`."""
    manifest = damage_manifest(bundle.manifest, bundle.label)
    return Bundle(bundle.folder, manifest, bundle.digest)


def redaction_bundle(bundle: Bundle[BundleManifest]) -> Bundle[RedactionManifest]:
    """``bundle`` if it finds faces and plates.  Raises `BundleError`."""
    manifest = redaction_manifest(bundle.manifest, bundle.label)
    return Bundle(bundle.folder, manifest, bundle.digest)


def open_any_bundle(folder: Path) -> Bundle[BundleManifest]:
    """The bundle in ``folder``, with the sha256 of every weights file verified.

    Raises `BundleError`, or `BundleNotFound` when the folder has no manifest.
    """
    manifest, digest = read_any_manifest(folder)
    for name, file in manifest.large_files():
        verify_weights(folder, name, file)
    for golden in manifest.golden:
        verify_golden(folder, golden)
    return Bundle(folder, manifest, digest)


def verify_golden(folder: Path, golden: GoldenPhoto) -> None:
    """Verify the checksum of one golden photo; raises `BundleError` that names it."""
    try:
        data = (folder / golden.photo).read_bytes()
    except OSError as error:
        raise BundleError(f"golden photo {golden.photo}: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != golden.sha256:
        raise BundleError(f"golden photo {golden.photo}: sha256 differs from the manifest")


def verify_weights(folder: Path, name: str, weights: Weights | File) -> None:
    """Verify one weights file; raises `BundleError` with its name and the mismatch."""
    path = folder / weights.file
    try:
        size = path.stat().st_size
        if size != weights.bytes:
            raise BundleError(f"weights {name}: {path} has {size} bytes instead of {weights.bytes}")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"weights {name}: {path}: {error.strerror}") from None
    if found != weights.sha256:
        raise BundleError(
            f"weights {name}: {path} has sha256 {found[:12]}..., but the manifest says "
            f"{weights.sha256[:12]}...: the file is damaged or was changed"
        )
