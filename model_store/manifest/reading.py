"""Reads the manifest of a bundle of any kind."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model_store.errors import BundleError, BundleNotFound
from model_store.manifest.bundle_manifest import BundleManifest
from model_store.manifest.document import Manifest
from model_store.manifest.part import problems_of
from model_store.manifest.redaction_manifest import RedactionManifest

MANIFEST_FILE = "manifest.json"


def parse_any_manifest(text: bytes, where: str) -> tuple[Manifest | RedactionManifest, str]:
    """The manifest in ``text``, of any kind of bundle, and its digest (sha256, hex).

    The digest covers the weights too, since the manifest names their sha256.
    Raises `BundleError` with one line that names the place and every wrong key.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: not JSON: {error}") from None
    model = RedactionManifest if _kind(document) == "redaction" else Manifest
    try:
        manifest = model.model_validate(document)
    except ValidationError as error:
        raise BundleError(f"{where}: {problems_of(error, 'manifest')}") from None
    return manifest, hashlib.sha256(text).hexdigest()


def parse_manifest(text: bytes, where: str) -> tuple[Manifest, str]:
    """The manifest of a damage bundle and its digest; see `parse_any_manifest`."""
    manifest, digest = parse_any_manifest(text, where)
    return damage_manifest(manifest, where), digest


def read_any_manifest(folder: Path) -> tuple[Manifest | RedactionManifest, str]:
    """The manifest of the bundle in ``folder`` and its digest; see `parse_any_manifest`."""
    path = folder / MANIFEST_FILE
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BundleNotFound(f"no bundle in {folder}: {error.strerror}: {MANIFEST_FILE}") from None
    return parse_any_manifest(text, str(path))


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest of the damage bundle in ``folder`` and its digest; see `parse_manifest`."""
    manifest, digest = read_any_manifest(folder)
    return damage_manifest(manifest, str(folder / MANIFEST_FILE)), digest


def damage_manifest(manifest: BundleManifest, where: str) -> Manifest:
    """``manifest`` if it is that of a damage bundle.  Raises `BundleError`."""
    if not isinstance(manifest, Manifest):
        raise BundleError(
            f"{where}: is a redaction bundle, which finds no damage; it belongs into "
            "DAMAGE_REDACT_BUNDLE"
        )
    return manifest


def redaction_manifest(manifest: BundleManifest, where: str) -> RedactionManifest:
    """``manifest`` if it is that of a redaction bundle.  Raises `BundleError`."""
    if not isinstance(manifest, RedactionManifest):
        raise BundleError(f"{where}: is a damage bundle, which finds no faces and plates")
    return manifest


def _kind(document: Any) -> Any:
    return document.get("kind") if isinstance(document, dict) else None
