"""Quick, coarse figures on validation photos during training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet
from model_store.manifest import Input
from model_training.bundling.decision_parameters import mask_thresholds
from model_training.bundling.validation_predictions import Prediction, predict
from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.targets import SCORE_CHANNELS
from model_training.evaluation.detection_metrics import false_alarms, roc_auc
from model_training.fitting.training_loop import Monitor


def validation_monitor(photos: Sequence[LabelledPhoto], long_side: int = 352) -> Monitor:
    """A monitor for `train`: IoU by type at the best threshold, AUC, false alarms.

    The figures are optimistic, since the thresholds are the best ones for ``photos``; use them
    to compare steps of one training run.
    """

    def monitor(_: int, network: EfficientNetLiteUNet) -> dict[str, Any]:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        found = predict(network, photos, Input(long_side=long_side), (long_side,))
        overlaps = mask_thresholds(found)[1]
        figures: dict[str, Any] = {f"iou_{k}": round(v, 3) for k, v in overlaps.items()}
        for name in ("gate", "masks"):
            by_group = {group: _scores(found, group, gate=name == "gate") for group in PHOTO_GROUPS}
            for group in PHOTO_GROUPS[1:]:
                damaged, clean = by_group["damaged"], by_group[group]
                figures[f"auc_{name}_{group}"] = round(roc_auc(damaged, clean), 4)
                figures[f"alarms_{name}_{group}"] = [
                    round(false_alarms(damaged, clean, recall), 3) for recall in (0.95, 0.99)
                ]
        return figures

    return monitor


PHOTO_GROUPS = ("damaged", "clean", "close_up")


def _scores(predictions: Sequence[Prediction], group: str, *, gate: bool) -> list[float]:
    channel = SCORE_CHANNELS.index("damage")
    return [
        float(p.scores[channel]) if gate else p.evidence() for p in predictions if p.group == group
    ]
