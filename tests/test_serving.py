"""Each photo is examined by the bundle of its share, or by the one that takes its place."""

from __future__ import annotations

import hashlib
from typing import Any

from damage_tasks.serving import Serving
from model_store.identity import BundleIdentity
from model_store.rollout import NamedBundle, with_percentages

OLD = NamedBundle(version="2.0.0", digest="a" * 64)
NEW = NamedBundle(version="2.1.0", digest="b" * 64)
TRIAL = with_percentages(with_percentages(None, {OLD: 100}), {NEW: 30})
PHOTOS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(50)]


class Networks:
    def __init__(self, bundle: NamedBundle) -> None:
        self.identity = BundleIdentity("damage", bundle.version, bundle.digest)


def loaded(*bundles: NamedBundle) -> dict[str, Any]:
    return {bundle.digest: Networks(bundle) for bundle in bundles}


def versions(serving: Serving) -> list[str]:
    return [serving.of_photo(photo).identity.version for photo in PHOTOS]


def test_a_single_bundle_examines_every_photo() -> None:
    (networks,) = loaded(OLD).values()
    assert set(versions(Serving.only(networks))) == {"2.0.0"}


def test_each_photo_meets_the_bundle_of_its_share() -> None:
    serving = Serving(loaded(OLD, NEW), TRIAL)
    assert versions(serving) == [TRIAL.share_of(photo).version for photo in PHOTOS]
    assert set(versions(serving)) == {"2.0.0", "2.1.0"}
    assert serving.main.identity.version == "2.0.0"


def test_the_substitute_examines_the_photos_of_a_bundle_that_is_not_loaded() -> None:
    whole = with_percentages(TRIAL, {NEW: 100})
    serving = Serving(loaded(OLD), whole, OLD.digest)
    assert set(versions(serving)) == {"2.0.0"}
    assert serving.main.identity.version == "2.0.0"


def test_without_a_substitute_the_bundle_of_most_photos_examines_them() -> None:
    assert set(versions(Serving(loaded(OLD), TRIAL))) == {"2.0.0"}
