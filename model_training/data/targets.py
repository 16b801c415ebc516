"""Labels of a view: what is damaged, its type, and where that is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_training.data.labelled_photos import CLASS_IDS, UNTYPED, LabelledPhoto

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]

MASK_CHANNELS = ("any", *CLASS_IDS, "vehicle")
SCORE_CHANNELS = ("damage", "quality", "vehicle")
SCREENING = "screening"  # the score for small photos, fitted after the training: the last one
MASK_STRIDE_PX = 4  # of the mask logits

# One label byte per pixel: a bit for every mask channel, then bits for what is unknown. All eight
# bits are used; a fifth damage type needs a wider label.
ANY, VEHICLE, TYPE_UNKNOWN, VEHICLE_KNOWN = 1, 1 << 5, 1 << 6, 1 << 7
TYPE_BITS = {class_id: 1 << MASK_CHANNELS.index(name) for name, class_id in CLASS_IDS.items()}


class Sample(NamedTuple):
    """One view and its labels.

    ``view``: H x W x 3 uint8 BGR; ``target`` and ``weight``: C x H/4 x W/4 float32,
    0 to 1; ``score`` and ``score_weight``: S float32; ``photo``: index in the
    pool; ``clean``: 1.0 if the view comes from an unaltered clean photo.
    """

    view: Photo
    target: NDArray[np.float32]
    weight: NDArray[np.float32]
    score: NDArray[np.float32]
    score_weight: NDArray[np.float32]
    photo: int
    clean: float


class Batch(NamedTuple):
    """A stack of samples; ``views`` is N x 3 x H x W uint8, RGB."""

    views: Tensor
    target: Tensor
    weight: Tensor
    score: Tensor
    score_weight: Tensor
    photos: Tensor
    clean: Tensor


def screening_channel(scores: int) -> int:
    """The score for small photos among ``scores``: an additional last one, or the damage score."""
    return scores - 1 if scores > len(SCORE_CHANNELS) else SCORE_CHANNELS.index("damage")


def label_of(photo: LabelledPhoto, ids: Mask, vehicle: Mask | None) -> Mask:
    """The label byte (H x W uint8) of a photo with class ``ids`` and, if known, ``vehicle``."""
    label = np.where(ids > 0, ANY, 0).astype(np.uint8)
    for class_id, bit in TYPE_BITS.items():
        label[ids == class_id] |= bit
    label[ids == UNTYPED] |= TYPE_UNKNOWN
    if photo.damaged or photo.kind == "drawn":  # damage is on the vehicle; the rest is unknown
        label[ids > 0] |= VEHICLE | VEHICLE_KNOWN
    elif photo.kind == "scenery":
        label |= VEHICLE_KNOWN
    elif vehicle is not None:
        label |= VEHICLE_KNOWN | (vehicle > 0).astype(np.uint8) * VEHICLE
    return label


def labelled(
    view: Photo,
    label: Mask,
    kind: str,
    damage_px: float,
    spoilt: bool,
    zoom: float,
    index: int,
    clean: float,
    broken_parts: bool = False,
) -> Sample:
    """A view with its targets and weights at stride 4; see `Sample`.

    ``damage_px``: the whole photo's damaged area at the view's scale.
    """
    height, width = label.shape[0] // MASK_STRIDE_PX, label.shape[1] // MASK_STRIDE_PX
    bits = [1 << c for c in range(len(MASK_CHANNELS))] + [TYPE_UNKNOWN, VEHICLE_KNOWN]
    flags = np.stack([(label & bit > 0) for bit in bits], -1).astype(np.float32)
    small = cv2.resize(flags, (width, height), interpolation=cv2.INTER_AREA)
    target = small[..., : len(MASK_CHANNELS)].transpose(2, 0, 1)
    weight = np.ones_like(target)
    weight[1:5] -= small[..., -2]  # the type is unknown here
    if kind == "typed":  # spacing was not labelled, but none was noticed either
        weight[3] -= 0.5 * target[0]
        # A source counts a torn bumper as either broken or dented; the other type is unknown there.
        if broken_parts:
            hidden = target[4] * (1 - target[2])
            weight[2] = np.minimum(weight[2], 1 - hidden)
            weight[3] = np.minimum(weight[3], 1 - target[4] * (1 - target[3]))
        else:
            weight[4] = np.minimum(weight[4], 1 - target[2] * (1 - target[4]))
        np.clip(weight, 0, 1, out=weight)
    weight[5] = small[..., -1]
    seen = float(flags[..., 0].sum())
    share = seen / label.size
    whole = seen >= 0.5 * damage_px
    # A sliver of damage at the edge is evidence for neither label.
    sure = seen == 0 or share >= 0.01 or (whole and share >= 0.0004)
    on_car = float(flags[..., 5].mean())
    known = float(flags[..., -1].mean())
    sees_car = on_car >= 0.15 or (kind in ("typed", "untyped", "drawn") and share >= 0.01)
    no_car = known > 0.99 and on_car < 0.005
    score = np.array([float(seen > 0), float(not spoilt), float(sees_car)], np.float32)
    score_weight = np.array(
        [float(sure), float(spoilt or zoom < 1.7), float(sees_car or no_car)], np.float32
    )
    if spoilt:
        weight = weight * np.float32(0.25)
        score_weight[0] *= 0.25
    return Sample(view, target, weight, score, score_weight, index, clean)


def stack(samples: Sequence[Sample]) -> Batch:
    """``samples`` of the same size as a batch."""
    views = np.stack([s.view for s in samples])[..., ::-1].transpose(0, 3, 1, 2)
    return Batch(
        torch.from_numpy(np.ascontiguousarray(views)),
        torch.from_numpy(np.stack([s.target for s in samples])),
        torch.from_numpy(np.stack([s.weight for s in samples])),
        torch.from_numpy(np.stack([s.score for s in samples])),
        torch.from_numpy(np.stack([s.score_weight for s in samples])),
        torch.tensor([s.photo for s in samples]),
        torch.tensor([s.clean for s in samples]),
    )


def pasted(below: Sample, above: Sample, box: tuple[int, int, int, int]) -> Sample:
    """``below`` with the ``box`` (x, y, width, height) of ``above`` pasted in the same place.

    CutMix (Yun et al., arXiv:1905.04899) with masks, so that surroundings do not reveal
    whether a photo is damaged.  The box must be a multiple of the stride.
    """
    x, y, w, h = box
    view, target, weight = below.view.copy(), below.target.copy(), below.weight.copy()
    view[y : y + h, x : x + w] = above.view[y : y + h, x : x + w]
    small = np.s_[
        :,
        y // MASK_STRIDE_PX : (y + h) // MASK_STRIDE_PX,
        x // MASK_STRIDE_PX : (x + w) // MASK_STRIDE_PX,
    ]
    target[small], weight[small] = above.target[small], above.weight[small]
    seen = float(target[0].mean())
    sure = seen >= 0.01 or (seen == 0 and min(below.score_weight[0], above.score_weight[0]) > 0)
    vehicle = max(below.score[2], above.score[2])
    score = np.array([float(seen > 0), 1.0, vehicle], np.float32)
    known = float(sure) * min(below.score[1], above.score[1])
    score_weight = np.array([known, 0.0, 0.0], np.float32)
    return Sample(view, target, weight, score, score_weight, below.photo, 0.0)
