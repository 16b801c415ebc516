"""Drawn sample photos: identical everywhere, and showing what they claim to show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from damage_tasks.inspection import Verdict
from damage_tasks.photos.quality import judge_quality
from damage_tasks.samples import TYPES, draw_sample, write_samples
from damage_tasks.samples.panel_damage import Dent

pytestmark = pytest.mark.slow

SMALL = (480, 360)

Album = tuple[list[Path], dict[str, dict[str, Any]]]
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Album:
    """A dozen samples: their paths and their truth."""
    folder = tmp_path_factory.mktemp("samples")
    paths = write_samples(folder, size=SMALL)
    truth = json.loads((folder / "truth.json").read_text())
    return paths, {entry["file"]: entry for entry in truth}


def test_a_seed_always_draws_the_same_photo() -> None:
    first, again = (draw_sample(5, size=SMALL) for _ in range(2))
    other = draw_sample(6, size=SMALL)

    assert (first.photo == again.photo).all() and (first.mask == again.mask).all()
    assert first.name == again.name
    assert (first.photo != other.photo).mean() > 0.5


@pytest.mark.parametrize("size", [(480, 360), (360, 480), (333, 251)])
def test_photo_and_mask_have_the_requested_size(size: tuple[int, int]) -> None:
    sample = draw_sample(1, size=size)
    assert sample.photo.shape == (size[1], size[0], 3) and sample.photo.dtype == np.uint8
    assert sample.mask.shape == (size[1], size[0]) and sample.mask.dtype == np.uint8


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("seed", range(4))
def test_each_type_of_damage_is_in_the_mask_under_its_class_id(kind: str, seed: int) -> None:
    sample = draw_sample(seed, size=SMALL, damages=[kind])

    assert sample.types == (kind,)
    assert sample.expected is Verdict.DAMAGED
    assert set(np.unique(sample.mask)) == {0, TYPES.index(kind) + 1}
    assert 0.0005 < (sample.mask > 0).mean() < 0.6
    assert sample.name.endswith(f"-{kind}")


def test_a_car_may_have_two_damages() -> None:
    sample = draw_sample(803, size=SMALL, damages=["dent", "scratch"], view="rear-door")
    assert sample.types == ("scratch", "dent")
    assert set(np.unique(sample.mask)) == {0, 1, 2}


def test_a_clean_car_has_an_empty_mask() -> None:
    sample = draw_sample(3, size=SMALL, damages=[])
    assert sample.expected is Verdict.CLEAN
    assert sample.types == () and not sample.mask.any()
    assert sample.name.endswith("-clean")


def test_the_seed_decides_on_the_damage_when_nobody_else_does() -> None:
    drawn = {draw_sample(seed, size=(160, 120)).types for seed in range(24)}
    assert () in drawn
    assert {kind for types in drawn for kind in types} == set(TYPES)


def test_a_dent_bends_the_reflections_inside_its_mask_and_leaves_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dented = draw_sample(301, size=SMALL, damages=["dent"], view="rear-door")
    monkeypatch.setattr(Dent, "bend", lambda self, canvas: None)
    flat = draw_sample(301, size=SMALL, damages=["dent"], view="rear-door")

    change = np.abs(dented.photo.astype(int) - flat.photo).mean(axis=2)
    far = cv2.dilate(dented.mask, np.ones((41, 41), np.uint8)) == 0
    assert (dented.mask == flat.mask).all()
    assert change[dented.mask > 0].mean() > 10 * change[far].mean()


@pytest.mark.parametrize(
    ("kind", "view", "seed"),
    [("scratch", "door", 104), ("spacing", "door", 506), ("breakage", "window", 401)],
)
def test_marks_stand_out_against_what_is_around_them(kind: str, view: str, seed: int) -> None:
    sample = draw_sample(seed, size=SMALL, damages=[kind], view=view)
    grey = cv2.cvtColor(sample.photo, cv2.COLOR_BGR2GRAY)
    detail = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    around = (cv2.dilate(sample.mask, np.ones((31, 31), np.uint8)) > 0) & (sample.mask == 0)

    assert detail[sample.mask > 0].mean() > 3 * detail[around].mean()


def test_a_scratch_lays_bare_light_primer_on_a_dark_coat_and_dark_on_a_light_one() -> None:
    for seed, lighter in ((104, 1), (107, -1)):
        sample = draw_sample(seed, size=SMALL, damages=["scratch"], view="door")
        near = (cv2.dilate(sample.mask, np.ones((9, 9), np.uint8)) > 0) & (sample.mask == 0)
        light = sample.photo.mean(axis=2)
        assert lighter * (light[sample.mask > 0].mean() - light[near].mean()) > 10, sample.name


def test_unknown_damages_and_impossible_views_are_refused() -> None:
    with pytest.raises(ValueError, match="rust"):
        draw_sample(0, size=SMALL, damages=["rust"])
    with pytest.raises(ValueError, match="garden"):
        draw_sample(0, size=SMALL, view="garden")
    with pytest.raises(ValueError, match="breakage"):
        draw_sample(0, size=SMALL, damages=["breakage"], view="rear-door")


def test_a_photo_can_be_too_dark_or_blurred() -> None:
    def sharpness(photo: Pixels) -> float:
        return cv2.Laplacian(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), cv2.CV_32F).var()

    normal = draw_sample(2, size=SMALL).photo
    assert draw_sample(2, size=SMALL, stops=-3).photo.mean() < 0.5 * normal.mean()
    assert sharpness(draw_sample(2, size=SMALL, blur=4).photo) < 0.5 * sharpness(normal)


def test_an_album_is_a_good_mix(album: Album) -> None:
    paths, truth = album
    assert len(paths) == len(set(paths)) == len(truth) == 12
    assert {kind for entry in truth.values() for kind in entry["types"]} == set(TYPES)
    assert sum(entry["expected"] == "clean" for entry in truth.values()) == 4
    assert {entry["special"] for entry in truth.values()} == {"", "rotated", "dark", "blurred"}
    assert {path.suffix for path in paths} == {".jpg", ".png", ".webp"}


def test_files_are_what_their_names_say(album: Album) -> None:
    for path in album[0]:
        with Image.open(path) as picture:
            formats = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
            assert picture.format == formats[path.suffix]
            picture.load()


def test_photos_have_the_size_and_damages_of_the_truth(album: Album) -> None:
    paths, truth = album
    for path in paths:
        entry = truth[path.name]
        photo = cv2.imread(str(path))  # applies the EXIF orientation
        assert photo.shape == (entry["height"], entry["width"], 3)
        assert [damage["type"] for damage in entry["damages"]] == entry["types"]
        assert (entry["expected"] == "damaged") == bool(entry["damages"])
        for damage in entry["damages"]:
            x, y, width, height = damage["bbox"]
            assert 0 <= x < x + width <= entry["width"]
            assert 0 <= y < y + height <= entry["height"]
            assert 0 < damage["area_ratio"] <= width * height / photo[:, :, 0].size


def test_the_rotated_photo_lies_on_its_side_and_says_so(album: Album) -> None:
    paths, truth = album
    (path,) = [p for p in paths if truth[p.name]["special"] == "rotated"]
    orientation_tag = 0x0112
    with Image.open(path) as picture:
        assert picture.getexif()[orientation_tag] == 6
        assert picture.size == SMALL
    assert (truth[path.name]["width"], truth[path.name]["height"]) == SMALL[::-1]

    upright = draw_sample(
        truth[path.name]["seed"], size=SMALL[::-1], damages=["scratch"], view="rear-door"
    )
    assert np.abs(cv2.imread(str(path)).astype(int) - upright.photo).mean() < 4


def test_the_dark_and_the_blurred_photo_are_poor_and_the_others_good(album: Album) -> None:
    paths, truth = album
    for path in paths:
        quality = judge_quality(cv2.imread(str(path)))
        reasons = {"dark": ("too_dark",), "blurred": ("blurred",)}
        assert quality.reasons == reasons.get(truth[path.name]["special"], ()), path.name


def test_writing_again_gives_the_same_bytes(album: Album, tmp_path: Path) -> None:
    for path in write_samples(tmp_path / "new" / "folder", count=2, size=SMALL):
        assert path.read_bytes() == (album[0][0].parent / path.name).read_bytes()


def test_a_second_dozen_shows_other_cars(tmp_path: Path) -> None:
    paths = write_samples(tmp_path, count=13, size=(160, 120))
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth[12]["types"] == truth[0]["types"]
    assert truth[12]["seed"] != truth[0]["seed"]
    assert paths[12].name.startswith("13-")
