"""Distances between distributions: those of darkened photos, of the same photos, and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from damage_tasks.photos.quality import judge_quality
from damage_tasks.production_quality.distributions import (
    Bin,
    bins_of_labels,
    bins_of_numbers,
    distribution_of,
    kolmogorov_smirnov,
    reference_of,
    shares_of,
    stability_index,
)
from damage_tasks.production_quality.drift_report import compare_figures
from damage_tasks.results.photo_sample import SampledPhoto
from damage_tasks.samples.car_photo import draw_sample
from damage_tasks.settings import Settings
from model_store.manifest import Reference

DRAWS = 20
PHOTOS = 500  # the fewest that are compared
RNG = np.random.default_rng(7)


def sampled(seed: int, light: float) -> SampledPhoto:
    """The figures of a drawn photo whose pixels are multiplied by ``light``."""
    quality = judge_quality((picture(seed) * light).astype(np.uint8))
    score = float(np.random.default_rng(seed).beta(1, 8))
    verdict, hour = "damaged" if score > 0.3 else "clean", f"{seed % 24:02}"
    return SampledPhoto(
        "id", "1.0.0", quality.brightness, quality.blur, 12.0, score, verdict, hour, "apple"
    )


@cache
def picture(seed: int) -> NDArray[np.uint8]:
    """A drawn photo."""
    return draw_sample(seed, size=(320, 240), damages=()).photo


@pytest.fixture(scope="module")
def usual() -> list[SampledPhoto]:
    return [sampled(seed, 1.0) for seed in range(48)]


@pytest.fixture(scope="module")
def darkened() -> list[SampledPhoto]:
    return [sampled(seed, 0.7) for seed in range(48)]


def drawn(photos: Sequence[SampledPhoto], number: int) -> list[SampledPhoto]:
    """``number`` of ``photos``, drawn with replacement."""
    return [photos[index] for index in RNG.integers(len(photos), size=number)]


@pytest.mark.xdist_group("distributions")
@pytest.mark.slow
@pytest.mark.parametrize("draw", range(DRAWS))
def test_darkened_photos_have_drifted_and_the_same_ones_have_not(
    usual: list[SampledPhoto], darkened: list[SampledPhoto], draw: int
) -> None:
    reference = reference_of(drawn(usual, 5000))
    same = compare_figures(reference, drawn(usual, PHOTOS), Settings())
    assert [figure.name for figure in same if figure.is_drifted] == []
    assert len(same) == 7
    dark = {f.name: f for f in compare_figures(reference, drawn(darkened, PHOTOS), Settings())}
    assert dark["brightness"].is_drifted
    assert not dark["score"].is_drifted
    assert not dark["hour"].is_drifted


def test_equal_values_are_one_edge_and_differences_are_found_by_hand() -> None:
    reference = distribution_of(np.array([1.0] * 70 + [2.0] * 30))
    assert (reference.edges, reference.shares) == ((1.0, 2.0), (0.7, 1.0))
    now = np.array([1.0] * 40 + [2.0] * 60)
    assert kolmogorov_smirnov(reference, now) == pytest.approx(0.3)
    bins = bins_of_numbers(reference, now)
    assert [(each.low, each.high) for each in bins] == [(-np.inf, 1.0), (1.0, np.inf)]
    expected = (0.4 - 0.7) * np.log(0.4 / 0.7) + (0.6 - 0.3) * np.log(0.6 / 0.3)
    assert stability_index(bins) == pytest.approx(expected)


def test_bins_have_a_tenth_of_the_reference_each() -> None:
    values = RNG.normal(size=10_000)
    bins = bins_of_numbers(distribution_of(values), values)
    assert len(bins) == 10
    assert all(each.expected == pytest.approx(0.1, abs=0.01) for each in bins)
    assert sum(each.actual for each in bins) == pytest.approx(1)
    assert stability_index(bins) == pytest.approx(0, abs=1e-9)


def test_values_that_all_became_equal_are_far_away() -> None:
    reference = distribution_of(RNG.normal(size=1000))
    now = np.zeros(500)
    assert kolmogorov_smirnov(reference, now) > 0.4
    assert stability_index(bins_of_numbers(reference, now)) > 1


def test_labels_that_are_new_or_gone_count() -> None:
    bins = bins_of_labels({"a": 0.5, "b": 0.5}, {"a": 0.5, "c": 0.5})
    assert [(each.label, each.expected, each.actual) for each in bins] == [
        ("a", 0.5, 0.5), ("b", 0.5, 0.0), ("c", 0.0, 0.5),
    ]  # fmt: skip
    assert 5 < stability_index(bins) < 10


def test_the_index_of_a_bin_without_photos_is_finite() -> None:
    assert Bin("", 0, 1, 0.0, 0.0).psi == 0.0
    assert np.isfinite(Bin("", 0, 1, 0.0, 1.0).psi)


def test_photos_of_early_workers_without_quality_are_left_out() -> None:
    photos = [SampledPhoto("id", "1", None, None, 1.0, 0.5, "clean", "12")] * 60
    found = reference_of(photos)
    assert set(found.numbers) == {"megapixels", "score"}
    assert found.labels == {"verdict": {"clean": 1.0}, "hour": {"12": 1.0}}


def test_rare_labels_are_counted_together() -> None:
    shares = shares_of([f"make {number}" for number in range(100)])
    assert len(shares) == 25
    assert shares["other"] == pytest.approx(0.76)


def test_another_camera_is_drift(usual: list[SampledPhoto]) -> None:
    apple = [photo._replace(camera="apple") for photo in drawn(usual, PHOTOS)]
    half = [photo._replace(camera="samsung") for photo in apple[::2]]
    found = compare_figures(reference_of(apple), [*apple[1::2], *half], Settings())
    assert [figure.name for figure in found if figure.is_drifted] == ["camera"]


def test_a_camera_make_that_disappears_is_drift(usual: list[SampledPhoto]) -> None:
    apple = drawn(usual, PHOTOS)
    without = [photo._replace(id="without", camera=None) for photo in apple[::2]]
    reference = reference_of(apple)
    assert reference.labels["camera"] == {"unknown": 0.0, "apple": 1.0}
    found = compare_figures(reference, [*apple[1::2], *without], Settings())
    (drifted,) = (figure for figure in found if figure.is_drifted)
    assert drifted.name == "camera"
    assert {each.label: each.actual for each in drifted.bins} == {"unknown": 0.5, "apple": 0.5}
    assert drifted.examples == ["without"] * 4


def test_a_reference_without_unknown_makes_is_compared_with_known_ones(
    usual: list[SampledPhoto],
) -> None:
    apple = drawn(usual, PHOTOS)
    without = [photo._replace(camera=None) for photo in apple]
    reference = Reference(source="production", photos=PHOTOS, labels={"camera": {"apple": 1.0}})
    (camera,) = compare_figures(reference, [*apple, *without], Settings())
    assert not camera.is_drifted
    assert [each.label for each in camera.bins] == ["apple"]
    assert compare_figures(reference, without, Settings()) == []


def test_rare_unknown_makes_keep_their_share() -> None:
    shares = shares_of([*(f"make {number % 30}" for number in range(99)), "unknown"])
    assert shares["unknown"] == pytest.approx(0.01)
    assert len(shares) == 26
    assert sum(shares.values()) == pytest.approx(1)
