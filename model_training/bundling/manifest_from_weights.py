"""Creates the manifest of a bundle from the weights files in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from damage_tasks.vision.segmenter import Segmenter
from model_store.bundle import Bundle, open_bundle
from model_store.errors import BundleError
from model_store.manifest import MANIFEST_FILE
from model_training.bundling.code_version import code_version
from model_training.bundling.manifest_file import write_manifest
from model_training.bundling.self_test_photos import golden_entries, write_golden
from model_training.data.labelled_photos import CLASS_IDS

WEIGHTS_FORMATS = {".pt2": "exported_program", ".safetensors": "safetensors"}
DEFAULT_THRESHOLD = 0.5
SCORE, MASK = ({"kind": kind, "channel": 0} for kind in ("score", "mask"))
# A network's role by the name of its weights file, in the order in which networks run.
ROLES: Mapping[str, Mapping[str, Any]] = {
    "quality": {"role": "gate", "output": SCORE, "threshold": DEFAULT_THRESHOLD},
    "vehicle": {"role": "gate", "output": SCORE, "threshold": DEFAULT_THRESHOLD},
    "damage": {
        "role": "gate",
        "output": SCORE,
        "threshold": DEFAULT_THRESHOLD,
        "ends_with": "clean",
    },
    "place": {"role": "locate", "output": MASK, "threshold": DEFAULT_THRESHOLD},
    "any": {"role": "union", "output": MASK, "policy": {"threshold": DEFAULT_THRESHOLD}},
    **{
        name: {
            "role": "segment",
            "output": MASK,
            "type": name,
            "policy": {"threshold": DEFAULT_THRESHOLD},
        }
        for name in CLASS_IDS
    },
}


def pack(
    folder: Path,
    facts: Mapping[str, str],
    long_side: int,
    console: Console | None = None,
    lineage: Mapping[str, Any] | None = None,
) -> Bundle:
    """Write the manifest of the networks in ``folder``, and their golden photos.

    Entries of an existing ``manifest.json`` are kept, except for figures that were measured
    with other weights or thresholds; sizes, checksums and golden outcomes are computed, and
    anything else missing gets a default.
    ``facts``: name, version, licence ..., which override the manifest, as ``lineage``
    does with single entries of the manifest's own.
    ``long_side``: the input size of weights that it does not describe, px.  Photos in
    ``folder/golden`` become the golden photos; drawn ones are made if there are none.
    Raises `BundleError`.
    """
    manifest = {**_draft(folder), **facts}
    manifest.setdefault("schema", 1)
    lineage = {**manifest.get("lineage", {}), **(lineage or {})}
    manifest["lineage"] = {**lineage, "code": code_version().model_dump()}
    manifest["created"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    _describe_weights(folder, manifest, long_side)
    if "networks" not in manifest:
        manifest["networks"] = _networks(manifest["weights"])
    manifest.setdefault("types", [n["type"] for n in manifest["networks"] if "type" in n])
    manifest.setdefault("decision", {"gate": "damage", "threshold": DEFAULT_THRESHOLD})
    manifest["golden"] = []
    write_manifest(folder, manifest)
    segmenter = Segmenter(open_bundle(folder))
    _drop_other_figures(manifest, segmenter.bundle, console)
    manifest["golden"] = golden_entries(folder, segmenter) or write_golden(
        folder, segmenter, console
    )
    write_manifest(folder, manifest)
    return open_bundle(folder)


def _draft(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_FILE
    try:
        draft = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise BundleError(f"{path}: not JSON: {error}") from None
    if not isinstance(draft, dict):
        raise BundleError(f"{path}: not a manifest")
    return draft


def _drop_other_figures(manifest: dict[str, Any], bundle: Bundle, console: Console | None) -> None:
    """Drop the figures that were measured with other weights or thresholds."""
    metrics = bundle.manifest.metrics
    if metrics and metrics.get("measured") != bundle.manifest.decisive_digest:
        del manifest["metrics"]
        if console is not None:
            console.print(
                "figures in manifest.json were dropped: they were not measured with these weights "
                "and thresholds",
                style="yellow",
            )


def _describe_weights(folder: Path, manifest: dict[str, Any], long_side: int) -> None:
    """Complete the manifest's entries for weights files."""
    weights: dict[str, Any] = manifest.setdefault("weights", {})
    known = {entry.get("file") for entry in weights.values()}
    for path in sorted(folder.rglob("*")):
        file = path.relative_to(folder).as_posix()
        if path.suffix in WEIGHTS_FORMATS and file not in known:
            weights[path.stem] = {
                "file": file,
                "format": WEIGHTS_FORMATS[path.suffix],
                "input": {"long_side": long_side},
            }
    if not weights:
        raise BundleError(f"{folder}: no weights ({', '.join(WEIGHTS_FORMATS)})")
    for name, entry in weights.items():
        path = folder / str(entry.get("file"))
        if not path.is_file():
            raise BundleError(f"weights {name}: no file {path}")
        with path.open("rb") as file_:
            found = hashlib.file_digest(file_, "sha256").hexdigest()
        if entry.get("sha256") != found:
            entry.pop("engines", None)  # made from the old weights
        entry |= {"sha256": found, "bytes": path.stat().st_size}


def _networks(weights: Mapping[str, Any]) -> list[dict[str, Any]]:
    if unknown := weights.keys() - ROLES.keys():
        raise BundleError(
            f"unknown roles of the networks in {', '.join(sorted(unknown))}: name each file by its "
            f"role ({', '.join(ROLES)}), or describe the networks in {MANIFEST_FILE}"
        )
    return [{"name": n, "weights": n, **role} for n, role in ROLES.items() if n in weights]
