"""Photos of production with a known distribution."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
import pytest

from damage_tasks.inspection import PhotoFacts, Quality
from damage_tasks.results.store import Inspections
from model_store.identity import BundleIdentity
from tools.sample_pictures_and_results import NOW, damage, finding, inspection

AddDay = Callable[..., None]


@pytest.fixture
def production(database_url: str) -> Iterator[Inspections]:
    """An empty database."""
    store = Inspections(database_url)
    yield store
    store.close()


@pytest.fixture
def add_day(production: Inspections) -> AddDay:
    """Adds ``photos`` photos of the 24 hours that begin ``day`` days from `NOW`."""
    rng = np.random.default_rng(11)

    def add(day: int, photos: int = 60, *, light: float = 1.0, version: str = "1.0.0") -> None:
        for number in range(photos):
            sha256 = rng.bytes(32).hex()
            is_damaged = number % 5 == 0
            width, height = ((4032, 3024), (1600, 1200))[number % 2]
            brightness = float(np.clip(light * rng.normal(0.45, 0.1), 0, 1))
            found = finding(
                *([damage()] if is_damaged else []),
                photo_size=(width, height),
                damage_score=float(np.clip(rng.beta(1, 8) + 0.5 * is_damaged, 0, 1)),
                quality=Quality(float(rng.lognormal(6, 0.5)), brightness, "good"),
            )
            hours = day * 24 + 24 * (number + 0.5) / photos
            production.save(
                inspection(
                    f"{version}-{day}-{number}", found, sha256=sha256,
                    photo=PhotoFacts(sha256, 1, width, height),
                    bundle=BundleIdentity("damage", version, f"{version:b<64}"),
                    finished_at=NOW + timedelta(hours=hours),
                )
            )  # fmt: skip

    return add
