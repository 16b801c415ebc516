"""The bundles in a store: what they are, who published them, and where they serve."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from model_store.bundle_store import Store, store_at
from model_store.errors import BundleError, BundleNotFound, RolloutInvalid
from model_store.main_figures import MainFigures, main_figures
from model_store.manifest import MANIFEST_FILE, BundleManifest, parse_any_manifest
from model_store.publishing import EVALUATION_FILE
from model_store.rollout import POINTER_FILE, StoredRollout, pointer_at
from model_store.sources import ClientFactory, boto3_client


@dataclass(frozen=True, slots=True)
class ListedBundle:
    """One bundle in a store; ``published_by`` is "" if unknown."""

    uri: str
    manifest: BundleManifest
    digest: str
    published: datetime
    published_by: str
    figures: MainFigures


@dataclass(frozen=True, slots=True)
class Serving:
    """What a pointer does with a version: the percentage of photos, or 0 for its fallback."""

    pointer: str
    percent: int
    fallback: bool
    since: datetime


def list_bundles(
    store: str,
    new_client: ClientFactory = boto3_client,
    unreadable: Callable[[BundleError], None] | None = None,
) -> Iterator[ListedBundle]:
    """The bundles under ``store``, a folder or ``s3://bucket/prefix``, by name and version.

    ``unreadable`` is called for a manifest that this version cannot read, which is left out.
    Raises `BundleUnavailable`, and `BundleError` without ``unreadable``.
    """
    place = store_at(store, new_client)
    names = set(place.names())
    manifests = [name for name in names if name.rpartition("/")[2] == MANIFEST_FILE]
    for folder in sorted((name.rpartition("/")[0] for name in manifests), key=_by_version):
        try:
            yield _listed(place, store, folder, names)
        except BundleNotFound:
            continue  # deleted meanwhile
        except BundleError as error:
            if unreadable is None or error.code != BundleError.code:
                raise
            unreadable(error)


def _by_version(folder: str) -> tuple[str, list[tuple[int, str]]]:
    """Sorts 1.10.0 after 1.9.0."""
    name, _, version = folder.rpartition("/")
    return name, [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.+-]", version)
    ]


def listed_at(uri: str, new_client: ClientFactory = boto3_client) -> ListedBundle:
    """The bundle at ``uri``, a folder or ``s3://bucket/name/version``.  Raises `BundleError`."""
    place = store_at(uri, new_client)
    evaluated = place.exists(EVALUATION_FILE)
    return _listed(place, uri, "", {EVALUATION_FILE} if evaluated else set())


def _listed(place: Store, store: str, folder: str, names: set[str]) -> ListedBundle:
    def path(name: str) -> str:
        return f"{folder}/{name}" if folder else name

    uri = f"{store.rstrip('/')}/{folder}".rstrip("/")
    stored = place.read(path(MANIFEST_FILE))
    manifest, digest = parse_any_manifest(stored.data, uri)
    evaluation: Any = None
    if not manifest.metrics and path(EVALUATION_FILE) in names:
        evaluation = _evaluation(place.read(path(EVALUATION_FILE)).data)
    return ListedBundle(
        uri,
        manifest,
        digest,
        stored.stored,
        stored.stored_by,
        main_figures(manifest, evaluation),
    )


def _evaluation(text: bytes) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def serving(
    bundles: Iterable[ListedBundle],
    new_client: ClientFactory = boto3_client,
    unreadable: Callable[[BundleError], None] | None = None,
) -> dict[str, Serving]:
    """What the pointers next to ``bundles`` do with them, by the bundles' addresses.

    A version with another digest than the pointer names does not serve.  ``unreadable`` is called
    for a damaged pointer.  Raises `BundleUnavailable`, and `RolloutInvalid` without
    ``unreadable``.
    """
    pointers: dict[str, StoredRollout | None] = {}
    found: dict[str, Serving] = {}
    for bundle in bundles:
        pointer = f"{bundle.uri.rpartition('/')[0]}/{POINTER_FILE}"
        if pointer not in pointers:
            pointers[pointer] = _read(pointer, new_client, unreadable)
        stored = pointers[pointer]
        if stored is None:
            continue
        rollout = stored.rollout
        percentages = {share.digest: share.percent for share in rollout.shares}
        fallback = rollout.fallback is not None and rollout.fallback.digest == bundle.digest
        if fallback or bundle.digest in percentages:
            found[bundle.uri] = Serving(
                pointer, percentages.get(bundle.digest, 0), fallback, rollout.updated
            )
    return found


def _read(
    pointer: str, new_client: ClientFactory, unreadable: Callable[[BundleError], None] | None
) -> StoredRollout | None:
    try:
        return pointer_at(pointer, new_client).read()
    except BundleNotFound:
        return None
    except RolloutInvalid as error:
        if unreadable is None:
            raise
        unreadable(error)
        return None
