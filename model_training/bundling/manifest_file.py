"""Writes the manifest of a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model_store.manifest import MANIFEST_FILE, parse_any_manifest
from model_training.bundling.calibration_and_thresholds import MANIFEST_DIGITS


def write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    """Validate ``manifest`` and write it to ``out``.  Raises `BundleError`."""
    text = (json.dumps(_rounded(manifest), indent=1, ensure_ascii=False) + "\n").encode()
    parse_any_manifest(text, str(out / MANIFEST_FILE))  # never leave an invalid manifest
    (out / MANIFEST_FILE).write_bytes(text)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    return round(value, MANIFEST_DIGITS) if isinstance(value, float) else value
