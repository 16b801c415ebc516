"""A car with an old scratch and a new one, in photos of two days."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.inspection import Inspection
from damage_tasks.results.tables import car_comparisons
from tests.car_history.panels import (
    HEIGHT,
    OTHER_PLACE,
    SCRATCH,
    WIDTH,
    jpeg_of,
    panel,
    photographed,
    scratched,
    view,
)
from tests.labelling.conftest import Archive, archive
from tools.sample_pictures_and_results import damage

__all__ = ["archive"]

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NEW, OLD = (
    replace(damage("scratch"), polygon=outline, bbox=(*outline[0], 140, 60))
    for outline in (SCRATCH, OTHER_PLACE)
)
BEFORE = photographed(scratched(panel(), OTHER_PLACE), view(turn=3, zoom=0.95))
NOW = scratched(scratched(panel()), OTHER_PLACE)


class Car:
    """The photos of car 7."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.store = archive.store

    def photograph(
        self, name: str, picture: Any, *damages: Any, days: float = 0, **more: Any
    ) -> None:
        """Store the inspection of a photo that was taken ``days`` days before noon."""
        data = jpeg_of(picture)
        self._archive.add(
            name,
            *damages,
            data=data,
            metadata={"car_id": 7},
            finished_at=NOON - timedelta(days=days),
            found={"photo_size": (WIDTH, HEIGHT)},
            **more,
        )

    def inspection(self, name: str) -> Inspection:
        found = self.store.find(name)
        assert found
        return found

    def comparisons(self) -> int:
        with self.store.transaction() as connection:
            counted = sa.select(sa.func.count()).select_from(car_comparisons)
            return int(connection.execute(counted).scalar_one())


@pytest.fixture
def car(archive: Archive) -> Car:
    """A car with an old scratch in yesterday's photo, and a new one in today's."""
    car = Car(archive)
    car.photograph("yesterday", BEFORE, mapped(OLD), days=1)
    car.photograph("now", NOW, NEW, OLD)
    return car


def mapped(area: Any) -> Any:
    """``area`` as the earlier camera saw it, roughly."""
    return replace(area, polygon=((70, 345), (190, 345), (190, 410), (70, 410)))
