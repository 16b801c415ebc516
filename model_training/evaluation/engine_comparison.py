"""Compares two engines' results, and measures the quality lost with the faster one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from damage_tasks.vision.segmenter import Segmenter
from model_training.evaluation.synthetic_metrics import without_gates

Photo = NDArray[np.uint8]

# Maximum loss of quality with a faster engine.
MIN_MASK_IOU = 0.98
MAX_AUC_FALL = 0.005
MAX_IOU_FALL = 0.01


@dataclass(frozen=True, slots=True)
class Agreement:
    """How closely the masks and scores of two engines agree.

    ``mask_iou`` pools the pixels of all types' masks over all photos, with the same weight for
    each photo's area; ``score`` is the mean absolute difference of damage scores.
    """

    photos: int
    mask_iou: float
    score: float

    @property
    def good(self) -> bool:
        """Whether the masks agree closely enough."""
        return self.mask_iou >= MIN_MASK_IOU

    def figures(self) -> dict[str, float]:
        """The figures as stored in the manifest."""
        return {name: round(float(value), 4) for name, value in asdict(self).items()}

    def __str__(self) -> str:
        return (
            f"mask IoU {self.mask_iou:.4f}, damage score differs by {self.score:.4f} "
            f"({self.photos} photos)"
        )


def agreement(reference: Segmenter, other: Segmenter, photos: Iterable[Photo]) -> Agreement:
    """The agreement of ``other``'s engine with ``reference``'s on photos (H x W x 3 uint8, BGR).

    Masks are compared regardless of the gates.
    """
    first, second = without_gates(reference), without_gates(other)
    both = either = 0.0
    differences = []
    for photo in photos:
        one, two = first.segment(photo), second.segment(photo)
        differences.append(abs(one.damage_score - two.damage_score))
        for type, mask in one.masks.items():
            a, b = mask.pixels, two.masks[type].pixels
            both += float((a & b).mean())
            either += float((a | b).mean())
    return Agreement(
        len(differences), both / either if either else 1.0, float(np.mean(differences))
    )


def falls(reference: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """How much worse each figure of an evaluation is in ``other`` (negative: better)."""
    found = {
        f"{view} {name}": reference["views"][view][name] - other["views"][view][name]
        for view in reference["views"]
        for name in ("auc", "auc_gate")
    }
    for name, overlap in reference["overlap"].items():
        found[f"{name} iou"] = overlap["iou"] - other["overlap"][name]["iou"]
    return found


def too_much(falls: dict[str, float]) -> list[str]:
    """The figures that fell by more than allowed."""
    return [
        name
        for name, fall in falls.items()
        if fall > (MAX_IOU_FALL if name.endswith("iou") else MAX_AUC_FALL)
    ]
