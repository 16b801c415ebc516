from __future__ import annotations

import numpy as np
import pytest

from model_store.recipe.choices import best_separation, choose, mask_thresholds
from model_store.recipe.predictions import Prediction

RNG = np.random.default_rng(0)


def prediction(group: str, strength: float, kind: str = "typed") -> Prediction:
    """A damaged photo has a dent in its upper half, seen with probability 0.8 against 0.3."""
    ids = np.zeros((32, 48), np.uint8)
    masks = np.full((6, 8, 12), -3.0, np.float32)
    if group == "damaged":
        ids[:16] = 5 if kind == "untyped" else 2
        for channel in (0, 2):
            masks[channel, :4] = 1.4
            masks[channel, 4:] = -0.85
    scores = np.array([strength + RNG.normal(0, 0.3), 3.0, 3.0], np.float32)
    found = None if group == "close_up" else ids
    return Prediction(group, kind if group == "damaged" else "negative", scores, (masks,), found)


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
    assert thresholds["breakage"] == 0.5  # there is none to choose by
    assert "breakage" not in overlaps


def test_the_gate_lets_every_damaged_photo_by(predictions: list[Prediction]) -> None:
    chosen = choose(predictions)
    scale, offset = chosen.gate
    logits = np.array([p.scores[0] for p in predictions if p.group == "damaged"])
    passed = 1 / (1 + np.exp(-(scale * logits + offset)))
    assert (passed >= chosen.gate_threshold).all()


def test_the_damage_score_parts_damaged_from_clean(predictions: list[Prediction]) -> None:
    chosen = choose(predictions)
    gate_scale, scale, offset = chosen.evidence
    for p in predictions:
        gate = np.clip(chosen.gate[0] * p.scores[0] + chosen.gate[1], -8, 8)
        score = 1 / (1 + np.exp(-(gate_scale * gate + scale * p.evidence() + offset)))
        assert (score >= chosen.decision_threshold) == (p.group == "damaged")


def test_the_middle_of_equally_good_thresholds_is_taken() -> None:
    threshold = best_separation(np.array([0.8, 0.9]), np.array([0.1, 0.2]))
    assert threshold == pytest.approx(0.5, abs=0.02)


def test_evidence_is_the_logit_of_the_strongest_pixels() -> None:
    masks = np.full((6, 10, 40), -20, np.float32)
    masks[0, 0, :4] = 1.5
    found = Prediction("clean", "negative", np.zeros(3, np.float32), (masks, masks), None)
    assert found.evidence() == pytest.approx(1.5, abs=0.01)
