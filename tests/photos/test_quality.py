"""Photo quality: blurred and dark photos are distinguished from those that only look so."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from damage_tasks.photos.quality import judge_quality
from tools.drawn_photo_files import textured

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def sharp() -> Pixels:
    return np.asarray(textured(1600, 1200))


def blurred(pixels: Pixels, share_of_width: float = 0.01) -> Pixels:
    return cv2.GaussianBlur(pixels, (0, 0), pixels.shape[1] * share_of_width)


def darkened(pixels: Pixels, gain: float) -> Pixels:
    return (pixels * gain).astype(np.uint8)


def resized(pixels: Pixels, width: int) -> Pixels:
    height = round(pixels.shape[0] * width / pixels.shape[1])
    method = cv2.INTER_AREA if width < pixels.shape[1] else cv2.INTER_CUBIC
    return cv2.resize(pixels, (width, height), interpolation=method)


@pytest.mark.parametrize("width", [1600, 1000, 512, 250])
def test_a_sharp_photo_of_any_size_is_good(sharp: Pixels, width: int) -> None:
    quality = judge_quality(resized(sharp, width))
    assert (quality.verdict, quality.reasons) == ("good", ())
    assert quality.blur > 200


def test_a_small_photo_that_was_enlarged_is_not_called_blurred(sharp: Pixels) -> None:
    assert judge_quality(resized(resized(sharp, 250), 4000)).verdict == "good"


@pytest.mark.parametrize("width", [1600, 512, 250])
def test_a_blurred_photo_of_any_size_is_poor(sharp: Pixels, width: int) -> None:
    quality = judge_quality(blurred(resized(sharp, width)))
    assert (quality.verdict, quality.reasons) == ("poor", ("blurred",))
    assert quality.blur < 25


def test_a_dark_photo_is_called_dark_and_not_blurred(sharp: Pixels) -> None:
    quality = judge_quality(darkened(sharp, 0.1))
    assert (quality.verdict, quality.reasons) == ("poor", ("too_dark",))
    assert quality.brightness == pytest.approx(0.046, abs=0.005)


def test_a_dark_and_blurred_photo_is_called_both(sharp: Pixels) -> None:
    assert judge_quality(darkened(blurred(sharp), 0.2)).reasons == ("blurred", "too_dark")


def test_a_dim_photo_is_good(sharp: Pixels) -> None:
    assert judge_quality(darkened(sharp, 0.4)).verdict == "good"


def test_a_burnt_out_photo_is_poor(sharp: Pixels) -> None:
    burnt = np.clip(sharp.astype(np.float32) * 4, 0, 255).astype(np.uint8)
    assert judge_quality(burnt).reasons == ("overexposed",)


def test_a_car_on_white_ground_is_good(sharp: Pixels) -> None:
    studio = np.full_like(sharp, 255)
    studio[200:1000, 200:1400] = sharp[200:1000, 200:1400]
    assert judge_quality(studio).verdict == "good"


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (1, 3000), (3000, 64)])
def test_a_photo_of_nothing_is_poor(shape: tuple[int, int], value: int) -> None:
    quality = judge_quality(np.full((*shape, 3), value, np.uint8))
    assert quality.verdict == "poor"
    assert quality.blur == 0


def test_the_judgement_does_not_change_the_photo(sharp: Pixels) -> None:
    before: Any = sharp.copy()
    judge_quality(sharp)
    np.testing.assert_array_equal(sharp, before)
