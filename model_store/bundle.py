"""A bundle in a local folder, verified against the checksums in its manifest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from model_store.errors import BundleError
from model_store.identity import BundleIdentity
from model_store.manifest import File, Golden, Manifest, Weights, read_manifest


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle in a local folder."""

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def identity(self) -> BundleIdentity:
        """Name, version and digest, as every result carries them."""
        return BundleIdentity(self.manifest.name, self.manifest.version, self.digest)

    @property
    def label(self) -> str:
        """Name, version and the beginning of the digest, for people."""
        return f"{self.manifest.name} {self.manifest.version} ({self.digest[:12]})"


def open_bundle(folder: Path) -> Bundle:
    """The bundle in ``folder``, every weights file checked against its sha256."""
    manifest, digest = read_manifest(folder)
    for name, file in manifest.large_files():
        verify_weights(folder, name, file)
    for golden in manifest.golden:
        verify_golden(folder, golden)
    return Bundle(folder, manifest, digest)


def verify_golden(folder: Path, golden: Golden) -> None:
    """Check one golden photo's bytes; raises `BundleError` naming it."""
    try:
        data = (folder / golden.photo).read_bytes()
    except OSError as error:
        raise BundleError(f"golden photo {golden.photo}: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != golden.sha256:
        raise BundleError(f"golden photo {golden.photo}: another file than the manifest says")


def verify_weights(folder: Path, name: str, weights: Weights | File) -> None:
    """Check one weights file; raises `BundleError` naming the weights and what is wrong."""
    path = folder / weights.file
    try:
        size = path.stat().st_size
        if size != weights.bytes:
            raise BundleError(f"weights {name}: {path} has {size} bytes, not {weights.bytes}")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"weights {name}: {path}: {error.strerror}") from None
    if found != weights.sha256:
        raise BundleError(
            f"weights {name}: {path} has sha256 {found[:12]}..., "
            f"the manifest says {weights.sha256[:12]}...: tampered with or damaged"
        )
