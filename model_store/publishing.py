"""Uploads bundles to a store as ``<store>/<name>/<version>`` and lists them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from model_store.bundle import Bundle
from model_store.errors import BundleError, BundleNotFound, BundleUnavailable
from model_store.manifest import (
    MANIFEST_FILE,
    BundleManifest,
    parse_any_manifest,
    read_any_manifest,
)
from model_store.rollout import POINTER_FILE, pointer_at
from model_store.sources import ClientFactory, boto3_client, folder_of, s3_client

CARD_FILE = "MODEL_CARD.md"
CARD_PICTURES_FOLDER = "card"


@dataclass(frozen=True, slots=True)
class ListedBundle:
    """One bundle in a store."""

    uri: str
    manifest: BundleManifest
    digest: str


def publish(
    bundle: Bundle[BundleManifest], store: str, new_client: ClientFactory = boto3_client
) -> str:
    """Copy a verified bundle to ``<store>/<name>/<version>`` and return that address.

    The manifest is uploaded last, so readers never see an incomplete bundle.  Raises
    `BundleError` when the version already exists (versions are never overwritten) and
    `BundleUnavailable` when the store cannot be reached.
    """
    manifest = bundle.manifest
    uri = f"{store.rstrip('/')}/{manifest.name}/{manifest.version}"
    target = _target(uri, new_client)
    if target.exists(MANIFEST_FILE):
        raise BundleError(f"{uri} already exists; publish a new version instead")
    for name in files_of(bundle):
        target.put(name, bundle.folder / name)
    target.put_new(MANIFEST_FILE, bundle.folder / MANIFEST_FILE)
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


def check_evaluated(bundle: Bundle[BundleManifest], evaluation: Path | None = None) -> None:
    """Raise `BundleError` unless the bundle was measured with its present weights and thresholds.

    The figures are in its manifest, or in ``evaluation``: what `model_training
    evaluate --out` wrote.
    """
    if evaluation is None:
        _check_own_figures(bundle)
        return
    try:
        measured = json.loads(evaluation.read_text(encoding="utf-8"))["bundle"]["measured"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{evaluation}: not written by this version of evaluate: {error!r}"
        ) from None
    if measured != bundle.manifest.decisive_digest:
        raise BundleError(
            f"{evaluation}: figures of another bundle, or of this one with other weights or "
            "thresholds; evaluate it again"
        )


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


def list_bundles(store: str, new_client: ClientFactory = boto3_client) -> Iterator[ListedBundle]:
    """The bundles under ``store``, a folder or ``s3://bucket/prefix``, by name and version."""
    folder = folder_of(store)
    if folder is not None:
        for path in sorted(folder.glob(f"**/{MANIFEST_FILE}")):
            manifest, digest = read_any_manifest(path.parent)
            yield ListedBundle(str(path.parent), manifest, digest)
        return
    target = _target(store, new_client)
    assert isinstance(target, _S3)
    for key, text in target.manifests():
        uri = f"s3://{target.bucket}/{key.removesuffix('/' + MANIFEST_FILE)}"
        manifest, digest = parse_any_manifest(text, uri)
        yield ListedBundle(uri, manifest, digest)


def serving_percentages(
    bundles: Iterable[ListedBundle], new_client: ClientFactory = boto3_client
) -> dict[str, int]:
    """The percentages of photos that pointers give to ``bundles``, by their addresses.

    A version with another digest than the pointer names does not serve.
    """
    found: dict[str, int] = {}
    by_folder: dict[str, list[ListedBundle]] = {}
    for bundle in bundles:
        by_folder.setdefault(bundle.uri.rpartition("/")[0], []).append(bundle)
    for folder, versions in by_folder.items():
        try:
            stored = pointer_at(f"{folder}/{POINTER_FILE}", new_client).read()
        except BundleNotFound:
            continue
        assert stored is not None
        percentages = {share.digest: share.percent for share in stored.rollout.shares}
        found |= {b.uri: percentages[b.digest] for b in versions if b.digest in percentages}
    return found


def _target(uri: str, new_client: ClientFactory) -> _S3 | _Folder:
    folder = folder_of(uri)
    if folder is not None:
        return _Folder(folder)
    if urlsplit(uri).scheme != "s3":
        raise BundleError(f"{uri}: a store must be a folder or s3://bucket/prefix")
    return _S3(uri, new_client)


class _Folder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def exists(self, name: str) -> bool:
        return (self.folder / name).exists()

    def put(self, name: str, source: Path) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)

    put_new = put


class _S3:
    def __init__(self, uri: str, new_client: ClientFactory) -> None:
        parts = urlsplit(uri)
        self.uri = uri
        self.bucket, self.prefix = parts.netloc, parts.path.strip("/")
        self._client = s3_client(new_client)

    def exists(self, name: str) -> bool:
        with _errors(self.uri):
            found = self._client.list_objects_v2(
                Bucket=self.bucket, Prefix=self._key(name), MaxKeys=1
            )
        return bool(found.get("KeyCount"))

    def put(self, name: str, source: Path) -> None:
        with _errors(self.uri), source.open("rb") as file:
            self._client.put_object(Bucket=self.bucket, Key=self._key(name), Body=file)

    def put_new(self, name: str, source: Path) -> None:
        # If another publisher was faster, S3 refuses the second manifest.
        with _errors(self.uri):
            self._client.put_object(
                Bucket=self.bucket,
                Key=self._key(name),
                Body=source.read_bytes(),
                IfNoneMatch="*",
                ContentType="application/json",
            )

    def manifests(self) -> Iterator[tuple[str, bytes]]:
        prefix = f"{self.prefix}/" if self.prefix else ""
        with _errors(self.uri):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix
            )
            for page in pages:
                for entry in page.get("Contents", []):
                    if entry["Key"].endswith("/" + MANIFEST_FILE):
                        answer = self._client.get_object(Bucket=self.bucket, Key=entry["Key"])
                        yield entry["Key"], answer["Body"].read()

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


@contextmanager
def _errors(uri: str) -> Iterator[Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    from model_store.s3_faults import fault_of

    try:
        yield
    except (ClientError, BotoCoreError, OSError) as error:
        fault = fault_of(error)
        if fault.code in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise BundleError(f"{uri} already exists; versions cannot be overwritten") from None
        raise BundleUnavailable(f"{uri}: {fault}") from None
