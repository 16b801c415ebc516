"""Writes the manifest of a bundle that is being made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model_store.manifest import MANIFEST, parse_manifest
from model_training.bundling.calibration import DIGITS


def write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    """Write ``manifest`` to ``out``, unless it is wrong.  Raises `BundleError`."""
    text = (json.dumps(_rounded(manifest), indent=1, ensure_ascii=False) + "\n").encode()
    parse_manifest(text, str(out / MANIFEST))  # never leave a manifest that cannot be read
    (out / MANIFEST).write_bytes(text)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    return round(value, DIGITS) if isinstance(value, float) else value
