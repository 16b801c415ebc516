from __future__ import annotations

import math

import numpy as np
import pytest

from model_training.bundling.calibration_and_thresholds import (
    ThresholdSweep,
    balanced,
    gate_threshold,
    logistic_fit,
    logit,
)
from model_training.evaluation.detection_metrics import (
    Overlap,
    bootstrap,
    false_alarms,
    mcnemar,
    roc_auc,
    threshold_at_recall,
    wilson,
)


def test_overlap_is_pooled_over_photos() -> None:
    overlap = Overlap()
    left = np.zeros((4, 4), bool)
    left[:, :2] = True
    overlap.add(left, left)
    overlap.add(left, ~left)
    assert overlap.iou == pytest.approx(8 / 24)
    assert overlap.dice == pytest.approx(16 / 32)
    assert overlap.photos == 2
    assert Overlap().iou == 0


def test_auc_counts_ties_half() -> None:
    assert roc_auc([3, 2], [1, 0]) == 1
    assert roc_auc([1, 1], [1, 1]) == 0.5
    assert roc_auc([0.0], [1.0]) == 0
    assert math.isnan(roc_auc([], [1]))


def test_false_alarms_at_a_recall() -> None:
    damaged = np.linspace(0.1, 1, 10)
    assert threshold_at_recall(damaged, 0.9) == pytest.approx(0.2)
    assert threshold_at_recall(damaged, 1.0) == pytest.approx(0.1)
    assert false_alarms(damaged, [0.15, 0.05, 0.3, 0.0], 0.9) == 0.25


def test_the_wilson_interval_of_nothing_missed_is_not_empty() -> None:
    assert wilson(0, 45) == pytest.approx((0.0, 0.0787), abs=1e-4)
    assert wilson(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    assert math.isnan(wilson(0, 0)[0])


def test_the_bootstrap_interval_holds_the_mean() -> None:
    values = np.arange(100.0)
    low, high = bootstrap(lambda at: float(values[at].mean()), [str(v) for v in values])
    assert low < 49.5 < high
    assert high - low == pytest.approx(4 * values.std() / 10, rel=0.15)


def test_photos_of_one_claim_are_drawn_together() -> None:
    values = np.repeat(np.arange(10.0), 10)
    alone = bootstrap(lambda at: float(values[at].mean()), [str(n) for n in range(100)])
    together = bootstrap(lambda at: float(values[at].mean()), [str(v) for v in values])
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


def test_mcnemar_counts_what_only_one_of_both_says() -> None:
    first = [True] * 10 + [False, False, True]
    second = [False] * 10 + [True, False, True]
    only_first, only_second, p = mcnemar(first, second)
    assert (only_first, only_second) == (10, 1)
    assert p == pytest.approx(2 * (1 + 11) / 2**11)
    assert mcnemar(first, first) == (0, 0, 1.0)


def test_logistic_regression_finds_the_coefficients() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 2))
    chance = 1 / (1 + np.exp(-(2 * x[:, 0] - x[:, 1] + 0.5)))
    y = (rng.random(4000) < chance).astype(float)
    assert logistic_fit(x, y) == pytest.approx([2, -1, 0.5], abs=0.2)


def test_separable_scores_stay_finite() -> None:
    found = logistic_fit(np.array([[-1.0], [1.0]]), np.array([0.0, 1.0]))
    assert np.isfinite(found).all()
    assert found[0] > 0


def test_weights_balance_the_labels() -> None:
    weights = balanced([True, False, False, False])
    assert weights[0] == pytest.approx(weights[1:].sum())


def test_logit_is_limited() -> None:
    assert logit(np.array([0, 0.5, 1])).tolist() == [-8, 0, 8]


def test_the_lowest_threshold_takes_what_is_faint_and_costs_little() -> None:
    sweep = ThresholdSweep()
    truth = np.zeros((10, 100), np.bool_)
    truth[:, :50] = True
    found = np.where(truth, 0.7, 0.1)
    found[:, 48] = 0.3  # faint damage
    found[0, 60:70] = 0.25  # and a little paint that looks alike
    sweep.add(found, truth)
    _, iou = sweep.best()
    lowest, overlap = sweep.lowest(within=0.05)
    assert lowest <= 0.25
    assert overlap >= iou - 0.05


def test_the_sweep_finds_the_threshold_between_two_levels() -> None:
    sweep = ThresholdSweep()
    truth = np.zeros((10, 10), bool)
    truth[:5] = True
    sweep.add(np.where(truth, 0.7, 0.4), truth)
    threshold, iou = sweep.best()
    assert 0.4 < threshold <= 0.7
    assert iou == pytest.approx(1)
    assert sweep.iou()[0] == pytest.approx(0.5)


def test_the_gate_lets_all_but_one_percent_pass() -> None:
    scores = np.linspace(0, 1, 1001)
    assert (scores >= gate_threshold(scores, margin=1)).mean() >= 0.99
    few = np.array([0.2, 0.5, 0.9])
    assert gate_threshold(few) < 0.2


def test_one_damaged_photo_far_below_the_others_does_not_open_the_gate_any_further() -> None:
    scores = np.array([0.02, 0.4, 0.5, 0.9])
    assert 0.018 < gate_threshold(scores) < 0.02
    together = np.array([0.38, 0.4, 0.5, 0.9])
    assert gate_threshold(together) == pytest.approx(0.25, abs=1e-5)  # half the odds of 0.4
