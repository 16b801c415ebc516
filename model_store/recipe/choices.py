"""What a bundle's manifest says beyond the weights, chosen on validation photos alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_store.recipe.fitting import (
    LOGIT_LIMIT,
    ThresholdSweep,
    balanced,
    gate_threshold,
    logistic_fit,
)
from model_store.recipe.labels import MASKS, SCORES
from model_store.recipe.photos import CLASS_IDS
from model_store.recipe.predictions import Prediction

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choices:
    """``gate``: (scale, offset) of its Platt calibration; ``evidence``: (gate scale,
    evidence scale, offset) of the damage score; ``masks``: threshold by channel name;
    ``overlaps``: the IoU on the validation photos that each threshold reached.
    """

    gate: tuple[float, float]
    gate_threshold: float
    evidence: tuple[float, float, float]
    decision_threshold: float
    masks: Mapping[str, float]
    overlaps: Mapping[str, float]


def choose(predictions: Sequence[Prediction]) -> Choices:
    """Calibration and thresholds for ``predictions`` of validation photos.

    Scores are calibrated with damaged and clean views counting alike, so 0.5 is the
    point where both are as likely, not the share of damage in a fleet's photos.
    """
    channel = SCORES.index("damage")
    logits = np.array([p.scores[channel] for p in predictions], np.float64)
    evidence = np.array([p.evidence() for p in predictions])
    damaged = np.array([p.group == "damaged" for p in predictions])
    weights = balanced([bool(d) for d in damaged])
    labels = damaged.astype(np.float64)
    scale, offset = (float(v) for v in logistic_fit(logits[:, None], labels, weights))
    gate = np.clip(scale * logits + offset, -LOGIT_LIMIT, LOGIT_LIMIT)
    fit = logistic_fit(np.column_stack([gate, evidence]), labels, weights, ridge=0.5)
    score = _sigmoid(fit[0] * gate + fit[1] * evidence + fit[2])
    masks, overlaps = mask_thresholds(predictions)
    return Choices(
        gate=(scale, offset),
        gate_threshold=gate_threshold(_sigmoid(gate[damaged])),
        evidence=(float(fit[0]), float(fit[1]), float(fit[2])),
        decision_threshold=best_separation(score[damaged], score[~damaged]),
        masks=masks,
        overlaps=overlaps,
    )


def mask_thresholds(
    predictions: Sequence[Prediction],
) -> tuple[dict[str, float], dict[str, float]]:
    """The threshold of the highest pooled IoU for each mask channel, and that IoU.

    Types are judged on photos whose damage has types; channels without any true
    pixel get 0.5 and no IoU.
    """
    sweeps = {name: ThresholdSweep() for name in ("any", *CLASS_IDS)}
    for prediction in predictions:
        if prediction.ids is None or prediction.group != "damaged":
            continue
        ids = prediction.ids
        shape = (ids.shape[0], ids.shape[1])
        sweeps["any"].add(prediction.probabilities(MASKS.index("any"), shape), ids > 0)
        if prediction.kind == "untyped":
            continue
        for name, class_id in CLASS_IDS.items():
            found = prediction.probabilities(MASKS.index(name), shape)
            sweeps[name].add(found, ids == class_id)
    thresholds, overlaps = {}, {}
    for name, sweep in sweeps.items():
        if sweep.hits.sum() == 0:
            thresholds[name] = 0.5
            continue
        thresholds[name], overlaps[name] = sweep.best()
    return thresholds, overlaps


def best_separation(positive: Floats, negative: Floats) -> float:
    """The threshold with the highest recall minus false alarms (Youden, 1950).

    Of all such thresholds the middle one, which generalises better.
    """
    candidates = np.linspace(0.02, 0.98, 97)
    recall = np.array([(positive >= t).mean() for t in candidates])
    alarms = np.array([(negative >= t).mean() for t in candidates])
    gain = recall - alarms
    near = np.flatnonzero(gain >= gain.max() - 1e-9)
    return float(round(candidates[near[len(near) // 2]], 3))


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)), np.float64)
