"""A network's raw outputs on validation photos, kept to choose thresholds by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from damage_tasks.segmentation import prepare, sigmoid
from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet
from model_store.manifest import Input
from model_store.recipe.fitting import logit
from model_store.recipe.photos import LabelledPhoto
from model_store.recipe.views import close_up

Photo = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE = 640  # photos are compared at up to this long side
EVIDENCE_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Prediction:
    """Outputs for one photo.

    ``scores``: logits at the gate's side (S); ``masks``: mask logits at each of the
    segmenters' sides (C x h x w); ``ids``: true class ids (H x W uint8), none for
    close-ups; ``group``: "damaged", "clean" or "close_up".
    """

    group: str
    kind: str
    scores: Floats
    masks: tuple[Floats, ...]
    ids: NDArray[np.uint8] | None

    def probabilities(self, channel: int, shape: tuple[int, int]) -> Floats:
        """The mean over sides of one channel's probabilities, resized to ``shape``."""
        size = (shape[1], shape[0])
        found = [sigmoid(cv2.resize(m[channel], size)) for m in self.masks]
        return np.asarray(np.mean(found, axis=0), np.float32)

    def evidence(self, channel: int = 0, share: float = EVIDENCE_SHARE) -> float:
        """Logit of the mean of the strongest pixels, averaged over sides; see `Decision`."""
        found = []
        for masks in self.masks:
            flat = np.sort(sigmoid(masks[channel]).ravel())
            count = max(4, int(len(flat) * share))
            found.append(float(logit(flat[-count:].mean())))
        return float(np.mean(found))


@torch.inference_mode()
def predict(
    network: EfficientNetLiteUNet,
    photos: Sequence[LabelledPhoto],
    form: Input,
    sides: Sequence[int],
    seed: int = 9,
) -> list[Prediction]:
    """Outputs for ``photos``, and for a close-up crop of each clean one."""
    rng = np.random.default_rng(seed)
    found = []
    for labelled in photos:
        whole, ids = labelled.read()
        group = "damaged" if labelled.damaged else "clean"
        scale = min(1.0, SIDE / max(ids.shape))
        size = (round(ids.shape[1] * scale), round(ids.shape[0] * scale))
        ids = cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        found.append(_predict(network, whole, form, sides, group, labelled.kind, ids))
        if not labelled.damaged:
            crop = close_up(whole, rng)
            found.append(_predict(network, crop, form, sides, "close_up", "negative", None))
    return found


def _predict(
    network: EfficientNetLiteUNet,
    photo: Photo,
    form: Input,
    sides: Sequence[int],
    group: str,
    kind: str,
    ids: NDArray[np.uint8] | None,
) -> Prediction:
    _, scores = network.encode(torch.from_numpy(prepare(photo, form))[None])
    masks = tuple(
        network(torch.from_numpy(prepare(photo, form, side))[None])[0][0].numpy() for side in sides
    )
    return Prediction(group, kind, scores[0].numpy(), masks, ids)
