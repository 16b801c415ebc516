"""Inspections are compared with earlier photos of the car once, and the result is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from damage_tasks.car_history import history
from damage_tasks.car_history.history import CarHistory
from damage_tasks.damage_history import Novelty
from damage_tasks.errors import DownloadFailed
from damage_tasks.photos import PhotoReader
from damage_tasks.settings import Settings, get_settings
from tests.car_history.conftest import BEFORE, NEW, NOW, Car
from tests.car_history.panels import panel, photographed, view


def car_history(car: Car, **settings: Any) -> CarHistory:
    values = {**get_settings().model_dump(exclude_unset=True), **settings}
    return CarHistory(car.store, Settings(**values))


def test_new_and_old_damage_are_distinguished_and_compared_once(
    car: Car, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = car_history(car)
    assert [each.reason for each in it.known(car.inspection("now")).damages] == ["not_compared"] * 2
    found = it.compare(car.inspection("now"))
    assert [(each.novelty, each.reason) for each in found.damages] == [
        (Novelty.NEW, "absent"),
        (Novelty.SEEN_BEFORE, "marked"),
    ]
    assert {each.earlier and each.earlier.inspection_id for each in found.damages} == {"yesterday"}
    assert found.is_complete

    monkeypatch.setattr(history, "describe", None)
    assert it.compare(car.inspection("now")) == found
    assert car_history(car).known(car.inspection("now")) == found


def test_a_new_version_compares_again(car: Car, monkeypatch: pytest.MonkeyPatch) -> None:
    car_history(car).compare(car.inspection("now"))
    monkeypatch.setattr(history, "VERSION", history.VERSION + 1)
    assert not car_history(car).known(car.inspection("now")).is_complete
    car_history(car).compare(car.inspection("now"))
    assert car.comparisons() == 2


def test_comparing_stops_when_the_time_is_over_and_continues_later(car: Car) -> None:
    car.photograph("last week", photographed(panel(), view(turn=-3)), days=7)
    it = car_history(car)
    none = it.compare(car.inspection("now"), seconds=-1)
    assert (none.earlier_photos, none.compared) == (2, 0)
    assert it.compare(car.inspection("now"), is_stopped=lambda: True) == none
    assert it.compare(car.inspection("now")).compared == 2


def test_what_cannot_be_compared_is_said(car: Car) -> None:
    car.photograph("lost", BEFORE[:, :600], NEW, days=2, kept=False)
    car.photograph("lost now", NOW[:, :620], NEW, kept=False)
    car.photograph("elsewhere", panel(seed=4), NEW, days=2.5)
    said = {
        name: car_history(car).compare(car.inspection(name)).damages[0].reason
        for name in ("lost now", "lost", "elsewhere")
    }
    assert said == {
        "lost now": "photo_not_kept",
        "lost": "photo_not_kept",
        "elsewhere": "no_earlier_photo",
    }
    alone = replace(car.inspection("now"), metadata={})
    assert [each.reason for each in car_history(car).compare(alone).damages] == ["no_car"] * 2


def test_an_earlier_photo_that_is_gone_is_not_looked_for_again(car: Car) -> None:
    car.photograph("lost", BEFORE[:, :600], NEW, days=2, kept=False)
    found = car_history(car).compare(car.inspection("now"))
    assert (found.earlier_photos, found.compared) == (2, 2)
    assert found.damages[0].novelty is Novelty.NEW


def test_a_photo_whose_server_does_not_answer_stops_no_other_comparison(
    car: Car, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise DownloadFailed("timed out")

    car.photograph("slow", BEFORE[:, :600], NEW, days=0.5, kept=False)
    with monkeypatch.context() as patched:
        patched.setattr(PhotoReader, "download", fail)
        found = car_history(car).compare(car.inspection("now"))
    assert (found.earlier_photos, found.compared) == (2, 1)
    assert [each.reason for each in found.damages] == ["not_compared", "marked"]
    assert car_history(car).compare(car.inspection("now")).is_complete


def test_the_settings_limit_the_photos(car: Car) -> None:
    for days in (2, 3, 40):
        car.photograph(f"{days}", photographed(panel(), view(turn=days)), days=days)
    said = {
        limit: car_history(car, **limits).known(car.inspection("now")).earlier_photos
        for limit, limits in {
            "default": {},
            "two": {"history_photos": 2},
            "none": {"history_photos": 0},
            "a month": {"history_days": 30},
        }.items()
    }
    assert said == {"default": 4, "two": 2, "none": 0, "a month": 3}


def test_nothing_is_stored_about_a_photo_that_was_erased_meanwhile(car: Car) -> None:
    gone = replace(car.inspection("now"), id="gone")
    assert car_history(car).compare(gone).is_complete
    assert car.comparisons() == 0
