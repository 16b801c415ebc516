from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from model_training.data.labelled_photos import DENT
from model_training.data.targets import ANY, TYPE_BITS, TYPE_UNKNOWN, VEHICLE
from model_training.synthetic import transplanting
from model_training.synthetic.transplanting import transplant

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]
SEEDS = range(12)


def panel(grey: int) -> tuple[Photo, Mask]:
    noise = np.random.default_rng(grey).integers(0, 12, (120, 160, 3), np.uint8)
    return noise + np.uint8(grey), np.full((120, 160), VEHICLE, np.uint8)


def dented(bits: int = ANY | TYPE_BITS[DENT], radius: int = 18) -> tuple[Photo, Mask]:
    """A grey panel with chequered damage of types ``bits`` in its middle."""
    photo, label = panel(90)
    where = np.zeros(label.shape, np.uint8)
    cv2.circle(where, (80, 60), radius, 1, cv2.FILLED)
    chequers = (np.indices(label.shape) // 3).sum(0) % 2 > 0
    photo[(where > 0) & chequers] = 250
    label[where > 0] |= bits
    return photo, label


@pytest.fixture
def no_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transplanting, "CONTROL_SHARE", 0.0)


@pytest.mark.usefixtures("no_controls")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("blended", [0.0, 1.0])
def test_damage_comes_with_its_label_and_its_texture(
    seed: int, blended: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transplanting, "BLENDED_SHARE", blended)
    photo, label = panel(150)
    found, marked = transplant(photo, label, (80, 60), dented(), np.random.default_rng(seed))
    damaged = marked & ANY > 0
    assert damaged.any()
    assert (marked[damaged] == ANY | TYPE_BITS[DENT] | VEHICLE).all()
    assert found[damaged].std() > 3 * photo[damaged].std()
    ring = np.asarray(cv2.dilate(damaged.astype(np.uint8), np.ones((61, 61), np.uint8)))
    assert np.array_equal(found[ring == 0], photo[ring == 0])


@pytest.mark.usefixtures("no_controls")
def test_the_piece_takes_on_the_light_of_its_new_place(monkeypatch: pytest.MonkeyPatch) -> None:
    light = {}
    for blended in (0.0, 1.0):
        monkeypatch.setattr(transplanting, "BLENDED_SHARE", blended)
        photo, label = panel(200)
        found, marked = transplant(photo, label, (80, 60), dented(), np.random.default_rng(3))
        light[blended] = float(np.percentile(found[marked & ANY > 0], 25))
    assert light[1.0] > light[0.0] + 40


@pytest.mark.usefixtures("no_controls")
def test_damage_of_unknown_type_stays_of_unknown_type() -> None:
    photo, label = panel(150)
    donor = dented(ANY | TYPE_UNKNOWN)
    _, marked = transplant(photo, label, (80, 60), donor, np.random.default_rng(1))
    assert set(np.unique(marked)) == {VEHICLE, ANY | TYPE_UNKNOWN | VEHICLE}


def test_a_piece_without_damage_changes_the_photo_and_no_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transplanting, "CONTROL_SHARE", 1.0)
    photo, label = panel(150)
    found, marked = transplant(photo, label, (80, 60), dented(), np.random.default_rng(1))
    assert not np.array_equal(found, photo)
    assert np.array_equal(marked, label)


@pytest.mark.parametrize("spot", [(0, 0), (159, 119), (0, 119)])
@pytest.mark.parametrize("seed", SEEDS)
def test_any_spot_will_do(spot: tuple[int, int], seed: int) -> None:
    photo, label = panel(150)
    found, marked = transplant(photo, label, spot, dented(), np.random.default_rng(seed))
    assert found.shape == photo.shape
    assert marked.shape == label.shape


def test_nothing_happens_where_there_is_nothing_to_take_or_no_room() -> None:
    photo, label = panel(150)
    rng = np.random.default_rng(0)
    for given in ((photo, label), (photo[:8, :8], label[:8, :8])):
        donor = panel(90) if given[0] is photo else dented()
        found, marked = transplant(*given, (4, 4), donor, rng)
        assert found is given[0]
        assert marked is given[1]


def test_the_photos_given_stay_as_they_are() -> None:
    (photo, label), donor = panel(150), dented()
    before = [array.copy() for array in (photo, label, *donor)]
    for seed in SEEDS:
        transplant(photo, label, (80, 60), donor, np.random.default_rng(seed))
    assert all(np.array_equal(a, b) for a, b in zip(before, (photo, label, *donor), strict=True))
