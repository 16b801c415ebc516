"""Fetches verified bundles, by their address or as a roll-out names them."""

from __future__ import annotations

from pathlib import Path

from model_store.bundle import Bundle, damage_bundle, open_any_bundle, redaction_bundle
from model_store.bundle_cache import BundleCache, read_all
from model_store.errors import BundleError, BundleNotFound, BundleUnavailable
from model_store.identity import BundleIdentity
from model_store.manifest import (
    MANIFEST_FILE,
    BundleManifest,
    Manifest,
    RedactionManifest,
    damage_manifest,
    parse_any_manifest,
    read_any_manifest,
)
from model_store.rollout import (
    NamedBundle,
    Rollout,
    bundle_uri,
    is_pointer,
    parse_rollout,
    pointer_at,
)
from model_store.sources import ClientFactory, boto3_client, folder_of, source_of

DEFAULT_BUNDLE_FOLDER = Path(__file__).parent / "default"
NO_DEFAULT_BUNDLE_MESSAGE = (
    "this installation contains no bundle, because the default one is for evaluation only; "
    "set DAMAGE_BUNDLE to the folder, s3:// or https:// address of a bundle, "
    "for example to model_store/default in a clone of the source repository"
)


def fetch_bundle(uri: str, cache: Path, new_client: ClientFactory = boto3_client) -> Bundle:
    """The damage bundle at ``uri``; see `fetch_any_bundle`."""
    return damage_bundle(fetch_any_bundle(uri, cache, new_client))


def fetch_redaction_bundle(
    uri: str, cache: Path, new_client: ClientFactory = boto3_client
) -> Bundle[RedactionManifest]:
    """The redaction bundle at ``uri``; see `fetch_any_bundle`."""
    return redaction_bundle(fetch_any_bundle(uri, cache, new_client))


def fetch_any_bundle(
    uri: str, cache: Path, new_client: ClientFactory = boto3_client
) -> Bundle[BundleManifest]:
    """The verified bundle at ``uri``: ``default``, a folder, ``s3://...`` or ``https://...``.

    If ``uri`` is a pointer, the bundle with the largest share.
    Remote bundles are downloaded into ``cache`` unless they are already there; from S3, with
    the client that ``new_client`` creates.
    Raises `BundleError`, `BundleNotFound` or `BundleUnavailable` with a one-line message.
    """
    if is_pointer(uri):
        rollout = read_rollout(uri, cache, new_client)
        return _fetch_named(uri, rollout.largest, cache, new_client)
    if uri == "default":
        if not DEFAULT_BUNDLE_FOLDER.is_dir():
            raise BundleNotFound(NO_DEFAULT_BUNDLE_MESSAGE)
        return open_any_bundle(DEFAULT_BUNDLE_FOLDER)
    folder = folder_of(uri)
    if folder is not None:
        return open_any_bundle(folder)
    return BundleCache(cache).fetch(uri, source_of(uri, new_client))


def read_rollout(uri: str, cache: Path, new_client: ClientFactory = boto3_client) -> Rollout:
    """The roll-out at the pointer ``uri``; the one read last if the store is unreachable.

    Raises `BundleNotFound`, `BundleUnavailable` or `RolloutInvalid`.
    """
    copies = BundleCache(cache)
    try:
        stored = pointer_at(uri, new_client).read()
    except BundleUnavailable:
        copy = copies.kept_rollout(uri)
        if copy is None:
            raise
        return parse_rollout(copy, uri)
    assert stored is not None
    copies.keep_rollout(uri, stored.rollout.to_json())
    return stored.rollout


def fetch_named(
    pointer_uri: str, named: NamedBundle, cache: Path, new_client: ClientFactory = boto3_client
) -> Bundle:
    """The damage bundle that a roll-out names, from ``cache`` if it is there.

    Raises as `fetch_any_bundle` does, and `BundleError` if the store has another digest.
    """
    return damage_bundle(_fetch_named(pointer_uri, named, cache, new_client))


def _fetch_named(
    pointer_uri: str, named: NamedBundle, cache: Path, new_client: ClientFactory
) -> Bundle[BundleManifest]:
    bundle = BundleCache(cache).find(named.digest)
    uri = bundle_uri(pointer_uri, named.version)
    bundle = bundle or fetch_any_bundle(uri, cache, new_client)
    if bundle.digest != named.digest:
        raise BundleError(
            f"{uri} has digest {bundle.digest[:12]}..., but the roll-out names "
            f"{named.digest[:12]}...; publish a new version instead of replacing one"
        )
    return bundle


def fetch_manifest(uri: str, cache: Path, new_client: ClientFactory = boto3_client) -> Manifest:
    """The manifest of the bundle that `fetch_bundle` would return, without its weights.

    Raises `BundleError`, `BundleNotFound` or `BundleUnavailable`.
    """
    return _damage_manifest_at(uri, cache, new_client)[0]


def fetch_identity(
    uri: str, cache: Path, new_client: ClientFactory = boto3_client
) -> BundleIdentity:
    """The identity of that bundle; raises as `fetch_manifest` does."""
    manifest, digest = _damage_manifest_at(uri, cache, new_client)
    return BundleIdentity(manifest.name, manifest.version, digest)


def _damage_manifest_at(uri: str, cache: Path, new_client: ClientFactory) -> tuple[Manifest, str]:
    if is_pointer(uri):
        rollout = read_rollout(uri, cache, new_client)
        uri = bundle_uri(uri, rollout.largest.version)
    folder = DEFAULT_BUNDLE_FOLDER if uri == "default" else folder_of(uri)
    manifest, digest = _manifest_at(uri, folder, new_client)
    return damage_manifest(manifest, uri), digest


def find_version(
    pointer_uri: str, version: str, new_client: ClientFactory = boto3_client
) -> NamedBundle:
    """The published bundle ``version`` next to the pointer; only its manifest is read.

    Raises `BundleError`, `BundleNotFound` or `BundleUnavailable`.
    """
    uri = bundle_uri(pointer_uri, version)
    try:
        manifest, digest = _manifest_at(uri, folder_of(uri), new_client)
    except BundleNotFound as error:
        raise BundleNotFound(
            f"version {version} was not found next to {pointer_uri}: {error}; publish it first"
        ) from None
    if manifest.version != version:
        raise BundleError(f"{uri} contains version {manifest.version}")
    return NamedBundle(version=version, digest=digest)


def _manifest_at(
    uri: str, folder: Path | None, new_client: ClientFactory
) -> tuple[Manifest | RedactionManifest, str]:
    """The manifest and its digest, from ``folder`` if there is one."""
    if folder is not None:
        return read_any_manifest(folder)
    return parse_any_manifest(read_all(source_of(uri, new_client), MANIFEST_FILE), uri)
