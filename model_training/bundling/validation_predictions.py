"""A network's raw outputs on validation photos, kept for choosing thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from damage_tasks.vision.network_inputs_and_masks import network_input, sigmoid
from model_store.architectures.efficientnet_lite_unet import EfficientNetLiteUNet
from model_store.manifest import Input
from model_training.bundling.calibration_and_thresholds import logit
from model_training.data.augmentation import close_up
from model_training.data.labelled_photos import LabelledPhoto

Photo = NDArray[np.uint8]
Floats = NDArray[np.float32]

COMPARED_LONG_SIDE_PX = 640  # photos are compared with at most this long side
EVIDENCE_SHARE = 0.005


def scored_sides(gate_side: int, sides: Sequence[int]) -> tuple[int, ...]:
    """The input sizes at which a bundle computes the damage score, in order.

    Photos that pass a gate which is smaller than the segmenters' ``sides`` are scored again at the
    largest of these, since the encoder must process that size for the masks anyway.
    """
    return (gate_side,) if gate_side >= min(sides) else (gate_side, max(sides))


@dataclass(frozen=True, slots=True)
class Prediction:
    """Outputs for one photo.

    ``scores``: logits at the gate's side (S), and ``large_scores`` at the larger side of
    `scored_sides`, if there is one; ``masks``: mask logits at each of the segmenters' sides
    (C x h x w); ``ids``: true class ids (H x W uint8) of ``photo`` (H x W x 3 uint8, BGR), none
    if no mask is judged; ``group``: "damaged", "clean", "close_up" or "drawn"; ``domain``: as in
    `LabelledPhoto`.
    """

    group: str
    kind: str
    scores: Floats
    masks: tuple[Floats, ...]
    ids: NDArray[np.uint8] | None = None
    photo: Photo | None = None
    large_scores: Floats | None = None
    domain: str = ""

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


class Predictor:
    """Runs a network at the gate's side (that of ``form``) and the segmenters' ``sides``."""

    def __init__(self, network: EfficientNetLiteUNet, form: Input, sides: Sequence[int]) -> None:
        self.network, self.form, self.sides = network, form, tuple(sides)

    @torch.inference_mode()
    def __call__(
        self,
        photo: Photo,
        group: str,
        kind: str = "negative",
        ids: NDArray[np.uint8] | None = None,
    ) -> Prediction:
        """Outputs for ``photo`` (H x W x 3 uint8, BGR), whose class ids are ``ids``."""
        scores, masks = {}, {}
        scored = scored_sides(self.form.long_side, self.sides)
        for side in sorted({*scored, *self.sides}):
            features, logits = self.network.encode(self._input(photo, side))
            scores[side] = logits[0].numpy()
            if side in self.sides:
                masks[side] = self.network.decode(features)[0].numpy()
        return Prediction(
            group,
            kind,
            scores[self.form.long_side],
            tuple(masks[side] for side in self.sides),
            ids,
            None if ids is None else cv2.resize(photo, ids.shape[::-1]),
            scores[scored[-1]] if len(scored) > 1 else None,
        )

    def _input(self, photo: Photo, side: int) -> torch.Tensor:
        batch = torch.from_numpy(network_input(photo, self.form, side))[None]
        return batch.to(memory_format=torch.channels_last)


def predict(
    network: EfficientNetLiteUNet,
    photos: Sequence[LabelledPhoto],
    form: Input,
    sides: Sequence[int],
    seed: int = 9,
    console: Console | None = None,
) -> list[Prediction]:
    """Outputs for ``photos``, and for a close-up crop of each clean one."""
    look = Predictor(network, form, sides)
    rng = np.random.default_rng(seed)
    found = []
    for labelled in track(photos, "looking", console=console, disable=console is None):
        whole, ids = labelled.read()
        if not labelled.damaged:
            found.append(look(whole, "clean"))
            found.append(look(close_up(whole, rng), "close_up"))
            continue
        scale = min(1.0, COMPARED_LONG_SIDE_PX / max(ids.shape))
        size = (round(ids.shape[1] * scale), round(ids.shape[0] * scale))
        ids = cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        seen = look(whole, "damaged", labelled.kind, ids)
        found.append(replace(seen, domain=labelled.domain))
    return found
