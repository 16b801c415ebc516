from __future__ import annotations

import pytest
import torch

from model_training.fitting.losses import LossWeights, damage_loss, evidence, soft_dice


def parts(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    target = (torch.rand(2, 6, 8, 8) > 0.7).float()
    return {
        "masks": torch.zeros(2, 6, 8, 8),
        "scores": torch.zeros(2, 3),
        "target": target,
        "mask_weight": torch.ones(2, 6, 8, 8),
        "score_target": torch.ones(2, 3),
        "score_weight": torch.ones(2, 3),
        **changes,
    }


def test_the_right_answer_costs_almost_nothing() -> None:
    given = parts()
    given["masks"] = given["target"] * 40 - 20
    given["scores"] = torch.full((2, 3), 20.0)
    loss, _ = damage_loss(**given, weights=LossWeights())
    assert loss < 0.01


def test_what_is_not_known_does_not_count() -> None:
    weight = torch.ones(2, 6, 8, 8)
    weight[:, 1, :4] = 0
    given = parts(mask_weight=weight, score_weight=torch.zeros(2, 3))
    masks = given["masks"].clone()
    masks[:, 1, :4] = 7.0
    loss, _ = damage_loss(**given, weights=LossWeights())
    other, _ = damage_loss(
        **{**given, "masks": masks, "scores": torch.full((2, 3), 9.0)}, weights=LossWeights()
    )
    assert torch.allclose(loss, other)


def test_dice_is_zero_for_the_same_mask_and_one_for_the_opposite() -> None:
    truth = (torch.rand(2, 1, 32, 32) > 0.5).float()
    known = torch.ones_like(truth)
    assert soft_dice(truth, truth, known, torch.tensor([30.0])) == pytest.approx(0, abs=1e-6)
    assert soft_dice(1 - truth, truth, known, torch.zeros(1)) == pytest.approx(1)


def test_a_channel_that_the_batch_does_not_show_has_no_overlap_to_lose() -> None:
    guess, nothing = torch.full((2, 1, 8, 8), 0.9), torch.zeros(2, 1, 8, 8)
    assert soft_dice(guess, nothing, torch.ones_like(guess), torch.tensor([3.0])) == 0


def test_one_missed_pixel_of_a_gap_costs_more_than_one_seen_for_nothing() -> None:
    target = torch.zeros(1, 6, 32, 32)
    target[0, 3, 4:28, 8] = 1
    quiet = torch.where(target > 0, 8.0, -8.0)

    def cost(row: int, column: int) -> float:
        masks = quiet.clone()
        masks[0, 3, row, column] *= -1
        size = {"target": target, "mask_weight": torch.ones_like(target)}
        given = {**parts(), **size, "masks": masks, "score_weight": torch.zeros(2, 3)}
        return float(damage_loss(**given, weights=LossWeights())[1]["cross_entropy"])

    assert cost(10, 8) > 5 * cost(10, 20)


def test_evidence_is_the_mean_of_the_strongest_places() -> None:
    masks = torch.full((1, 6, 20, 20), -20.0)
    masks[0, 0, 0, :4] = 20
    assert evidence(masks, share=0.01)[0] == pytest.approx(1)
    assert evidence(masks, share=0.02)[0] == pytest.approx(0.5)
