"""Masks become damaged areas in the photo's own pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from damage_tasks.damage import Severity
from damage_tasks.inspection import Verdict
from damage_tasks.vision.measurement import MAX_DAMAGES, class_mask, conclude, measure_damages
from damage_tasks.vision.segmenter import Segmentation
from damage_tasks.vision.view_results import Mask
from model_store.manifest import Decision, MaskPolicy

TYPES = ("scratch", "dent")
DECISION = Decision(gate="damage", threshold=0.5)


def mask(*boxes: tuple[int, int, int, int], value: float = 0.9, **policy: Any) -> Mask:
    """A 100 x 80 mask with boxes of (x, y, width, height)."""
    pixels = np.zeros((80, 100), bool)
    for x, y, width, height in boxes:
        pixels[y : y + height, x : x + width] = True
    probabilities = np.where(pixels, value, 0.1).astype(np.float32)
    return Mask(pixels, probabilities, MaskPolicy(threshold=0.5, **policy))


def segmentation(score: float = 0.9, **masks: Mask) -> Segmentation:
    return Segmentation(
        damage_score=score,
        decided_by="damage",
        scores={"damage": score},
        size=(100, 80),
        find_masks=lambda: masks,
    )


def test_each_region_is_a_damage() -> None:
    damages, _ = measure_damages({"dent": mask((10, 10, 10, 10), (50, 40, 20, 10))}, (100, 80))
    assert [damage.area_px for damage in damages] == [200, 100]
    assert {damage.type for damage in damages} == {"dent"}


def test_boxes_areas_and_outlines_are_in_the_photos_own_pixels() -> None:
    (damage,), _ = measure_damages({"dent": mask((10, 20, 30, 40))}, (1000, 800))
    assert damage.bbox == (100, 200, 300, 400)
    assert damage.area_px == 300 * 400
    assert damage.area_ratio == pytest.approx(0.15)
    xs, ys = zip(*damage.polygon, strict=True)
    assert (min(xs), max(xs)) == pytest.approx((100, 400), abs=10)
    assert (min(ys), max(ys)) == pytest.approx((200, 600), abs=10)


def test_an_outline_covers_what_the_mask_covers() -> None:
    pixels = np.zeros((80, 100), np.uint8)
    cv2.ellipse(pixels, (50, 40), (30, 20), 20, 0, 360, 1, -1)
    round_mask = Mask(pixels > 0, np.full((80, 100), 0.9, np.float32), MaskPolicy(threshold=0.5))
    (damage,), _ = measure_damages({"dent": round_mask}, (400, 320))
    drawn = np.zeros((320, 400), np.uint8)
    cv2.fillPoly(drawn, [np.array(damage.polygon, np.int32)], 1)
    expected = cv2.resize(pixels, (400, 320), interpolation=cv2.INTER_NEAREST)
    iou = (drawn & expected).sum() / (drawn | expected).sum()
    assert iou > 0.93
    assert len(damage.polygon) < 40


def test_confidence_is_the_mean_probability_inside() -> None:
    (damage,), _ = measure_damages({"dent": mask((10, 10, 10, 10), value=0.77)}, (100, 80))
    assert damage.confidence == pytest.approx(0.77, abs=0.001)


def test_regions_that_are_too_small_are_dropped_from_the_mask_too() -> None:
    specks = mask((10, 10, 20, 20), (60, 60, 2, 2), min_area_ratio=0.001)
    damages, kept = measure_damages({"dent": specks}, (100, 80))
    assert len(damages) == 1
    assert not kept["dent"][60:62, 60:62].any()


def test_there_are_never_more_damages_than_an_inspector_can_read() -> None:
    boxes = [(x, y, 1, 1) for x in range(0, 100, 2) for y in range(0, 80, 2)]
    damages, _ = measure_damages({"dent": mask(*boxes, min_area_ratio=0)}, (100, 80))
    assert len(damages) == MAX_DAMAGES


@pytest.mark.parametrize("box", [(0, 0, 100, 80), (0, 0, 1, 1), (99, 79, 1, 1)])
def test_nothing_reaches_beyond_the_photo(box: tuple[int, int, int, int]) -> None:
    (damage,), _ = measure_damages({"dent": mask(box, min_area_ratio=0)}, (333, 77))
    x, y, width, height = damage.bbox
    assert x >= 0 and y >= 0 and width > 0 and height > 0
    assert x + width <= 333 and y + height <= 77
    assert all(0 <= px < 333 and 0 <= py < 77 for px, py in damage.polygon)


def test_severity_grows_with_area_and_broken_glass_is_never_minor() -> None:
    sizes = {"minor": (2, 2), "moderate": (10, 10), "severe": (40, 40)}
    for severity, (width, height) in sizes.items():
        (found,), _ = measure_damages({"dent": mask((5, 5, width, height))}, (100, 80))
        assert found.severity == severity
    (glass,), _ = measure_damages({"breakage": mask((5, 5, 2, 2))}, (100, 80))
    assert glass.severity is Severity.MODERATE


def test_where_masks_overlap_the_surer_type_wins() -> None:
    masks = {"scratch": mask((0, 0, 20, 20), value=0.6), "dent": mask((10, 0, 20, 20), value=0.8)}
    pixels = {type: found.pixels for type, found in masks.items()}
    ids = class_mask(pixels, masks, TYPES, (100, 80))
    assert ids.dtype == np.uint8 and ids.shape == (80, 100)
    assert (ids[0, 5], ids[0, 15], ids[0, 25], ids[0, 50]) == (1, 2, 2, 0)


def test_a_photo_with_a_region_and_a_high_score_is_damaged() -> None:
    conclusion = conclude(segmentation(dent=mask((5, 5, 20, 20))), (100, 80), DECISION, TYPES)
    assert conclusion.verdict is Verdict.DAMAGED
    assert len(conclusion.damages) == 1
    assert set(np.unique(conclusion.mask)) == {0, 2}


def test_a_low_score_makes_regions_count_for_nothing() -> None:
    found = segmentation(0.3, dent=mask((5, 5, 20, 20)))
    conclusion = conclude(found, (100, 80), DECISION, TYPES)
    assert conclusion.verdict is Verdict.CLEAN
    assert not conclusion.damages
    assert not conclusion.mask.any()


def test_a_high_score_without_a_region_is_clean() -> None:
    conclusion = conclude(segmentation(0.99, dent=mask()), (100, 80), DECISION, TYPES)
    assert conclusion.verdict is Verdict.CLEAN


def test_a_gate_that_ended_the_inspection_decides_alone() -> None:
    found = Segmentation(0.01, "damage", {"damage": 0.01}, (100, 80), ended=Verdict.CLEAN)
    conclusion = conclude(found, (100, 80), DECISION, TYPES)
    assert (conclusion.verdict, conclusion.damages) == (Verdict.CLEAN, ())
    assert conclusion.mask.shape == (80, 100)
