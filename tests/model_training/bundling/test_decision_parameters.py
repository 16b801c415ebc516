from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from model_store.manifest import MaskPolicy
from model_training.bundling.decision_parameters import (
    cheapest_threshold,
    choose,
    mask_policies,
    mask_thresholds,
)
from model_training.bundling.validation_predictions import Prediction, scored_sides

RNG = np.random.default_rng(0)


def prediction(group: str, strength: float, kind: str = "typed") -> Prediction:
    """A damaged photo has a dent in its upper half, with probability 0.8 inside and 0.3 outside."""
    ids = np.zeros((32, 48), np.uint8)
    masks = np.full((6, 8, 12), -3.0, np.float32)
    if group == "damaged":
        ids[:16] = 5 if kind == "untyped" else 2
        for channel in (0, 2):
            masks[channel, :4] = 1.4
            masks[channel, 4:] = -0.85
    scores = np.array([strength + RNG.normal(0, 0.3), 3.0, 3.0], np.float32)
    known = (ids, np.zeros((32, 48, 3), np.uint8)) if group == "damaged" else (None, None)
    kind = kind if group == "damaged" else "negative"
    return Prediction(group, kind, scores, (masks,), *known)


@pytest.fixture(scope="module")
def predictions() -> list[Prediction]:
    found = [prediction("damaged", 2.0) for _ in range(20)]
    found += [prediction("damaged", 2.0, "untyped") for _ in range(5)]
    found += [prediction(group, -2.0) for group in ("clean", "close_up") for _ in range(20)]
    return found


def test_mask_thresholds_lie_between_damage_and_paint(predictions: list[Prediction]) -> None:
    thresholds, overlaps = mask_thresholds(predictions)
    assert 0.3 < thresholds["any"] < 0.8
    assert 0.3 < thresholds["dent"] < 0.8
    assert overlaps["dent"] > 0.8
    assert thresholds["breakage"] == 0.5  # no photo shows any
    assert "breakage" not in overlaps


def test_thin_damage_gets_hysteresis_and_the_rest_a_threshold() -> None:
    ids = np.zeros((64, 96), np.uint8)
    ids[30:34, :48] = 1
    masks = np.full((6, 64, 96), -6.0, np.float32)
    masks[1, 30:34, :48] = -0.4  # faint, with one confident spot
    masks[1, 30:34, 20:30] = 3.0
    masks[1, 5:15, 60:90] = -0.4  # equally faint, without one
    photo = np.zeros((64, 96, 3), np.uint8)
    photo[ids > 0] = 255
    found = Prediction("damaged", "typed", np.zeros(3, np.float32), (masks,), ids, photo)
    policies, overlaps, curves = mask_policies([found])
    scratch = MaskPolicy.model_validate(policies["scratch"])
    assert (scratch.kind, scratch.refine) == ("hysteresis", True)
    assert scratch.low is not None
    assert scratch.low < 0.45 < scratch.threshold
    assert overlaps["scratch"] > 0.8
    assert MaskPolicy.model_validate(policies["dent"]).kind == "threshold"
    precision, recall = curves["scratch"]
    assert recall[0] == pytest.approx(1)
    assert precision[150] == pytest.approx(1)


def test_spacing_is_judged_on_drawn_damage() -> None:
    ids = np.zeros((32, 48), np.uint8)
    ids[10:20] = 3
    masks = np.where(cv2.resize(ids, (12, 8)) > 0, 2.0, -2.0).astype(np.float32)
    drawn = Prediction(
        "drawn", "drawn", np.zeros(3, np.float32), (np.stack([masks] * 6),), ids,
        np.zeros((32, 48, 3), np.uint8),
    )  # fmt: skip
    _, overlaps, _ = mask_policies([drawn])
    assert set(overlaps) == {"spacing"}


def test_the_gate_lets_every_damaged_photo_pass(predictions: list[Prediction]) -> None:
    chosen = choose(predictions)
    scale, offset = chosen.gate
    logits = np.array([p.scores[0] for p in predictions if p.group == "damaged"])
    passed = 1 / (1 + np.exp(-(scale * logits + offset)))
    assert (passed >= chosen.gate_threshold).all()


def test_a_gate_for_small_photos_has_its_own_calibration(predictions: list[Prediction]) -> None:
    assert choose(predictions).screening is None
    twice = [
        replace(p, large_scores=p.scores, scores=np.append(-p.scores, p.scores[0] / 2))
        for p in predictions
    ]
    chosen, plain = choose(twice), choose(predictions)
    assert chosen.gate == plain.gate
    assert chosen.evidence == plain.evidence
    assert chosen.screening is not None
    scale, offset, threshold = chosen.screening
    assert scale > 1.2 * chosen.gate[0]
    logits = np.array([p.scores[-1] for p in twice if p.group == "damaged"])
    assert (1 / (1 + np.exp(-(scale * logits + offset))) >= threshold).all()


def test_the_screening_keeps_the_photos_of_each_domain(predictions: list[Prediction]) -> None:
    """A rare kind of photo must not pay for the others."""
    rare = next(p for p in predictions if p.group == "damaged")
    others = [replace(p, large_scores=p.scores, domain="phone") for p in predictions]
    weak = replace(rare, large_scores=rare.scores, scores=rare.scores - 2, domain="stock")
    chosen = choose([*others * 10, weak])
    assert chosen.screening is not None
    scale, offset, threshold = chosen.screening
    assert 1 / (1 + np.exp(-(scale * weak.scores[0] + offset))) >= threshold


@pytest.mark.parametrize(
    ("gate_side", "sides", "scored"),
    [(256, [448], (256, 448)), (448, [448], (448,)), (352, [352, 512], (352,))],
)
def test_photos_that_pass_a_small_gate_are_scored_again(
    gate_side: int, sides: list[int], scored: tuple[int, ...]
) -> None:
    assert scored_sides(gate_side, sides) == scored


def test_the_damage_score_separates_damaged_from_clean(predictions: list[Prediction]) -> None:
    chosen = choose(predictions)
    gate_scale, scale, offset = chosen.evidence
    for p in predictions:
        gate = np.clip(chosen.gate[0] * p.scores[0] + chosen.gate[1], -8, 8)
        score = 1 / (1 + np.exp(-(gate_scale * gate + scale * p.evidence() + offset)))
        assert (score >= chosen.decision_threshold) == (p.group == "damaged")


def test_the_middle_of_equally_good_thresholds_is_taken() -> None:
    threshold = cheapest_threshold(np.array([0.8, 0.9]), np.array([0.1, 0.2]))
    assert threshold == pytest.approx(0.5, abs=0.02)


def test_the_dearer_a_miss_the_lower_the_threshold() -> None:
    damaged, clean = np.array([0.3, 0.8, 0.9]), np.array([0.1, 0.2, 0.4])
    assert cheapest_threshold(damaged, clean, miss_cost=3) < 0.3
    assert cheapest_threshold(damaged, clean, miss_cost=0.5) > 0.4


def test_evidence_is_the_logit_of_the_strongest_pixels() -> None:
    masks = np.full((6, 10, 40), -20, np.float32)
    masks[0, 0, :4] = 1.5
    found = Prediction("clean", "negative", np.zeros(3, np.float32), (masks, masks), None)
    assert found.evidence() == pytest.approx(1.5, abs=0.01)
