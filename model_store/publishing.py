"""Uploads bundles to a store as ``<store>/<name>/<version>``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_store.bundle import Bundle
from model_store.bundle_store import store_at
from model_store.errors import BundleError
from model_store.manifest import MANIFEST_FILE, BundleManifest
from model_store.sources import ClientFactory, boto3_client

CARD_FILE = "MODEL_CARD.md"
CARD_PICTURES_FOLDER = "card"
EVALUATION_FILE = "evaluation.json"
# Without the results of single photos, whose ids may be private.
PUBLISHED_EVALUATION = ("bundle", "photos", "figures")


def publish(
    bundle: Bundle[BundleManifest],
    store: str,
    new_client: ClientFactory = boto3_client,
    evaluation: Mapping[str, Any] | None = None,
    publisher: str = "",
) -> str:
    """Copy a verified bundle to ``<store>/<name>/<version>`` and return that address.

    The manifest is uploaded last, so readers never see an incomplete bundle.  ``evaluation``:
    what `check_evaluated` returned.  ``publisher`` is stored with the manifest in S3; in a
    folder, it is the owner of the file.  Raises
    `BundleError` when the version already exists (versions are never overwritten) and
    `BundleUnavailable` when the store cannot be reached.
    """
    manifest = bundle.manifest
    uri = f"{store.rstrip('/')}/{manifest.name}/{manifest.version}"
    target = store_at(uri, new_client)
    if target.exists(MANIFEST_FILE):
        raise BundleError(f"{uri} already exists; publish a new version instead")
    for name in files_of(bundle):
        target.put(name, bundle.folder / name)
    if evaluation:
        kept = {key: evaluation[key] for key in PUBLISHED_EVALUATION if key in evaluation}
        target.put(EVALUATION_FILE, json.dumps(kept, indent=1).encode())
    target.put_new(MANIFEST_FILE, (bundle.folder / MANIFEST_FILE).read_bytes(), publisher)
    return uri


def check_finished(bundle: Bundle[BundleManifest]) -> None:
    """Raise `BundleError` that names all that a bundle lacks before workers may run it."""
    manifest = bundle.manifest
    missing = [
        f"{name} is empty" for name in ("licence", "training_data") if not getattr(manifest, name)
    ]
    if not manifest.golden:
        missing.append("no golden photos, so workers could not tell whether its networks work")
    if missing:
        raise BundleError(f"{bundle.folder} is unfinished: {'; '.join(missing)}")


def check_evaluated(
    bundle: Bundle[BundleManifest], evaluation: Path | None = None
) -> Mapping[str, Any] | None:
    """Raise `BundleError` unless the bundle was measured with its present weights and thresholds.

    The figures are in its manifest, or in ``evaluation``: what `model_training
    evaluate --out` wrote, whose contents are returned.
    """
    if evaluation is None:
        _check_own_figures(bundle)
        return None
    try:
        report: Mapping[str, Any] = json.loads(evaluation.read_text(encoding="utf-8"))
        measured = report["bundle"]["measured"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{evaluation}: not written by this version of evaluate: {error!r}"
        ) from None
    if measured != bundle.manifest.decisive_digest:
        raise BundleError(
            f"{evaluation}: figures of another bundle, or of this one with other weights or "
            "thresholds; evaluate it again"
        )
    return report


def _check_own_figures(bundle: Bundle[BundleManifest]) -> None:
    metrics = bundle.manifest.metrics
    if not metrics:
        problem = "has no figures of an evaluation"
    elif metrics.get("measured") != bundle.manifest.decisive_digest:
        problem = "has figures that were not measured with its present weights and thresholds"
    else:
        return
    raise BundleError(
        f"{bundle.folder} {problem}: measure it with python -m model_training evaluate and give "
        "--evaluation FILE, or publish it with --force"
    )


def files_of(bundle: Bundle[BundleManifest]) -> list[str]:
    """A bundle's files except its manifest: weights, golden photos, the card and its pictures."""
    manifest = bundle.manifest
    names = [file.file for _, file in manifest.large_files()]
    names += [golden.photo for golden in manifest.golden]
    if (bundle.folder / CARD_FILE).exists():
        names.append(CARD_FILE)
    pictures = sorted((bundle.folder / CARD_PICTURES_FOLDER).glob("*"))
    names += [f"{CARD_PICTURES_FOLDER}/{path.name}" for path in pictures if path.is_file()]
    return list(dict.fromkeys(names))
