"""Finds the bundle that examined a photo, by its digest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from damage_tasks.errors import BundleNotFound
from damage_tasks.storage.aws_clients import new_client
from model_store.bundle import damage_bundle
from model_store.bundle_cache import BundleCache
from model_store.fetch import fetch_bundle
from model_store.rollout import is_pointer

if TYPE_CHECKING:
    from damage_tasks.settings import Settings
    from model_store.bundle import Bundle
    from model_store.identity import BundleIdentity


def find_bundle(wanted: BundleIdentity, settings: Settings, uri: str | None = None) -> Bundle:
    """The bundle with the digest of ``wanted``, from the cache, ``uri`` or next to the current one.

    Raises `BundleNotFound` if it is at none of these places, `BundleError` or `BundleUnavailable`.
    """
    if uri is None and (cached := BundleCache(settings.bundle_cache).find(wanted.digest)):
        return damage_bundle(cached)
    places = [uri] if uri else list(_places(wanted, settings.bundle))
    for place in places:
        try:
            found = fetch_bundle(place, settings.bundle_cache, new_client)
        except BundleNotFound:
            continue
        if found.digest == wanted.digest:
            return found
    raise BundleNotFound(
        f"the bundle {wanted.name} {wanted.version} ({wanted.digest[:12]}) is neither in the cache "
        f"nor at {' or '.join(places)}; give its address with --bundle"
    )


def _places(wanted: BundleIdentity, current: str) -> Iterator[str]:
    if not is_pointer(current):
        yield current
    folder, slash, _ = current.rpartition("/")
    if slash:
        yield f"{folder}/{wanted.version}"  # where `model_store publish` puts it
