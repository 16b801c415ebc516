"""Identifies the bundle that examined a photo."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BundleIdentity:
    """Name, version and digest (sha256 of the manifest, hex) of a bundle."""

    name: str
    version: str
    digest: str
