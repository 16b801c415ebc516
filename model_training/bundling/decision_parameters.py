"""A manifest's parameters besides the weights, chosen on validation photos only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damage_tasks.vision.network_inputs_and_masks import refine_to_edges
from damage_tasks.vision.view_results import LOGIT_LIMIT
from model_training.bundling.calibration_and_thresholds import (
    ThresholdSweep,
    balanced,
    gate_threshold,
    logistic_fit,
)
from model_training.bundling.hysteresis_thresholds import HysteresisSweep
from model_training.bundling.validation_predictions import Prediction
from model_training.data.labelled_photos import CLASS_IDS
from model_training.data.targets import MASK_CHANNELS, SCORE_CHANNELS, screening_channel

Floats = NDArray[np.float64]

MISS_COST = 1.5  # of a missed damaged photo, in false alarms
UNION_LOSS = 0.01  # of IoU, for damage that would otherwise have no region
THIN_TYPES = ("scratch", "spacing")  # damage whose faint borders a plain threshold would cut off


@dataclass(frozen=True, slots=True)
class Choices:
    """The calibrations and thresholds of a bundle.

    ``gate``: (scale, offset) of its Platt calibration; ``screening``: the same and the threshold
    for a gate that sees a smaller photo first, if there is one; ``evidence``: (gate scale,
    evidence scale, offset) of the damage score; ``policies``: the manifest's mask
    policies by channel name; ``overlaps``: the IoU that each policy
    reached on the validation photos; ``curves``: precision and recall of its pixels by threshold.
    """

    gate: tuple[float, float]
    gate_threshold: float
    evidence: tuple[float, float, float]
    decision_threshold: float
    policies: Mapping[str, dict[str, Any]]
    overlaps: Mapping[str, float]
    curves: Mapping[str, tuple[Floats, Floats]]
    screening: tuple[float, float, float] | None = None


def choose(predictions: Sequence[Prediction]) -> Choices:
    """Calibration and thresholds for ``predictions`` of validation photos.

    Scores are calibrated with the same total weight for damaged and clean views, so 0.5 means
    that both are equally likely, whatever the share of damage in a fleet's photos.
    """
    seen = [p for p in predictions if p.group != "drawn"]
    channel = SCORE_CHANNELS.index("damage")
    small = np.array([p.scores[screening_channel(len(p.scores))] for p in seen], np.float64)
    large = [p.large_scores for p in seen]
    logits = np.array([scores[channel] for scores in large if scores is not None], np.float64)
    is_screened = len(logits) > 0
    evidence = np.array([p.evidence() for p in seen])
    damaged = np.array([p.group == "damaged" for p in seen])
    weights = balanced([bool(d) for d in damaged])
    if not is_screened:
        logits = np.array([p.scores[channel] for p in seen], np.float64)
    (scale, offset), gate = _calibrated(logits, damaged, weights)
    fit = logistic_fit(
        np.column_stack([gate, evidence]), damaged.astype(np.float64), weights, ridge=0.5
    )
    score = _sigmoid(fit[0] * gate + fit[1] * evidence + fit[2])
    screening = None
    if is_screened:
        calibration, screened = _calibrated(small, damaged, weights)
        domains = np.array([p.domain for p in seen])
        screening = (*calibration, _threshold_for_each(domains[damaged], screened[damaged]))
    policies, overlaps, curves = mask_policies(predictions)
    return Choices(
        gate=(scale, offset),
        gate_threshold=gate_threshold(_sigmoid(gate[damaged])),
        evidence=(float(fit[0]), float(fit[1]), float(fit[2])),
        decision_threshold=cheapest_threshold(score[damaged], score[~damaged]),
        policies=policies,
        overlaps=overlaps,
        curves=curves,
        screening=screening,
    )


def _threshold_for_each(domains: NDArray[np.str_], damaged: Floats) -> float:
    """The highest threshold that keeps the gate's recall of damaged photos in each domain."""
    return min(gate_threshold(_sigmoid(damaged[domains == domain])) for domain in set(domains))


def _calibrated(
    logits: Floats, damaged: NDArray[np.bool_], weights: Floats
) -> tuple[tuple[float, float], Floats]:
    """Platt calibration (scale, offset), and the calibrated logits."""
    scale, offset = logistic_fit(logits[:, None], damaged.astype(np.float64), weights)
    calibrated = np.clip(scale * logits + offset, -LOGIT_LIMIT, LOGIT_LIMIT)
    return (float(scale), float(offset)), calibrated


def mask_policies(
    predictions: Sequence[Prediction],
) -> tuple[dict[str, dict[str, Any]], dict[str, float], dict[str, tuple[Floats, Floats]]]:
    """The mask policy of each channel, the IoU that it reaches, and precision and recall.

    Thin damage gets refined masks with hysteresis, the rest a plain threshold; see
    `MaskPolicy`.  That of any damage is low: a photo without a region counts as clean.
    """
    sweeps = _threshold_sweeps(predictions)
    thresholds, overlaps = _best(sweeps)
    policies: dict[str, dict[str, Any]] = {
        name: {"threshold": threshold} for name, threshold in thresholds.items()
    }
    if "any" in overlaps:
        lowest, overlaps["any"] = sweeps["any"].lowest(UNION_LOSS)
        policies["any"] = {"threshold": lowest}
    for name in THIN_TYPES:
        sweep = HysteresisSweep()
        for prediction, truth in _judged(predictions, name):
            found = prediction.probabilities(MASK_CHANNELS.index(name), truth.shape)
            assert prediction.photo is not None
            sweep.add(refine_to_edges(found, prediction.photo), truth)
        if sweep.truth:
            low, high, overlaps[name] = sweep.best()
            policies[name] = {"kind": "hysteresis", "threshold": high, "low": low, "refine": True}
    curves = {name: sweep.curve() for name, sweep in sweeps.items() if sweep.hits.any()}
    return policies, overlaps, curves


def mask_thresholds(
    predictions: Sequence[Prediction],
) -> tuple[dict[str, float], dict[str, float]]:
    """The threshold with the highest pooled IoU for each mask channel, and that IoU.

    Channels without true pixels get 0.5 and no IoU.
    """
    return _best(_threshold_sweeps(predictions))


def _threshold_sweeps(predictions: Sequence[Prediction]) -> dict[str, ThresholdSweep]:
    sweeps = {name: ThresholdSweep() for name in ("any", *CLASS_IDS)}
    for name, sweep in sweeps.items():
        for prediction, truth in _judged(predictions, name):
            sweep.add(prediction.probabilities(MASK_CHANNELS.index(name), truth.shape), truth)
    return sweeps


def _best(sweeps: Mapping[str, ThresholdSweep]) -> tuple[dict[str, float], dict[str, float]]:
    thresholds, overlaps = {}, {}
    for name, sweep in sweeps.items():
        if not sweep.hits.any():
            thresholds[name] = 0.5
            continue
        thresholds[name], overlaps[name] = sweep.best()
    return thresholds, overlaps


def _judged(
    predictions: Sequence[Prediction], name: str
) -> Iterator[tuple[Prediction, NDArray[np.bool_]]]:
    """The predictions used to judge channel ``name``, with the true mask.

    Types are judged on photos with typed damage; spacing, which may occur in no photo, also
    on drawn damage.
    """
    for prediction in predictions:
        kinds = ("typed", "untyped") if name == "any" else ("typed",)
        if name == "spacing":
            kinds = ("typed", "drawn")
        if prediction.ids is None or prediction.kind not in kinds:
            continue
        yield prediction, prediction.ids > 0 if name == "any" else prediction.ids == CLASS_IDS[name]


def cheapest_threshold(damaged: Floats, clean: Floats, miss_cost: float = MISS_COST) -> float:
    """The threshold with the least expected cost of missed damage and false alarms.

    A missed damaged photo costs ``miss_cost`` false alarms, with as many photos of either
    kind.  Of all such thresholds the middle one, which generalises better.
    """
    candidates = np.linspace(0.02, 0.98, 97)
    missed = np.array([(damaged < t).mean() for t in candidates])
    alarms = np.array([(clean >= t).mean() for t in candidates])
    cost = miss_cost * missed + alarms
    near = np.flatnonzero(cost <= cost.min() + 1e-9)
    return float(round(candidates[near[len(near) // 2]], 3))


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)), np.float64)
