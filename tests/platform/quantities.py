"""Kubernetes quantities."""

from __future__ import annotations

UNITS = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024, "Ti": 1024**2}


def mebibytes(quantity: str) -> float:
    """Converts ``2Gi`` to 2048."""
    return float(quantity[:-2]) * UNITS[quantity[-2:]]
