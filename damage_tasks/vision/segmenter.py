"""Runs a bundle's networks on a photo's pixels to get scores and masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from damage_tasks.inspection import REVIEW_BAND, Reason, Verdict
from damage_tasks.vision.bounding_box import box_around
from damage_tasks.vision.network_inputs_and_masks import (
    Pixels,
    sigmoid,
)
from damage_tasks.vision.view_results import LOGIT_LIMIT, Mask, PhotoView, Window
from model_store.bundle import Bundle
from model_store.engines import TORCH, load_engine
from model_store.manifest import Gate


@dataclass(frozen=True)
class Segmentation:
    """The networks' results for a photo.

    ``ended`` is the verdict of the gate that ended the inspection, if one did.
    ``size`` is the (width, height) of the masks, which may be smaller than the
    photo; ``find_masks`` computes `masks`.
    """

    damage_score: float
    decided_by: str
    scores: Mapping[str, float]
    size: tuple[int, int]
    ended: Verdict | None = None
    reason: Reason | None = None
    find_masks: Callable[[], Mapping[str, Mask]] = field(default=dict, repr=False)

    @property
    def masks(self) -> Mapping[str, Mask]:
        """Masks by damage type, computed on first use: most photos have nothing to measure."""
        # Not cached_property: before Python 3.12 its lock would let only one photo of the process
        # compute at a time, so a GPU would never receive batches of masks.
        found: dict[str, Any] = vars(self)
        if "masks" not in found:
            found["masks"] = self.find_masks()
        masks: Mapping[str, Mask] = found["masks"]
        return masks


class Segmenter:
    """The networks of one bundle, loaded once per process; ``engine`` executes them.

    ``engines`` has one for each of the manifest's weights, by their name.
    """

    def __init__(self, bundle: Bundle, threads: int = 1, engine: str = TORCH) -> None:
        cv2.setNumThreads(threads)
        self.bundle = bundle
        self.engine = engine
        self.identity = bundle.identity
        self.types = bundle.manifest.types
        self.decision = bundle.manifest.decision
        self.engines = {
            name: load_engine(bundle, name, threads, engine) for name in bundle.manifest.weights
        }

    @property
    def review_band(self) -> tuple[float, float]:
        """The damage scores (lowest, highest) at which a person should look at the photo."""
        review = self.bundle.manifest.review
        return REVIEW_BAND if review is None else (review.low, review.high)

    @property
    def side(self) -> int:
        """The longest input of any network, in pixels."""
        manifest = self.bundle.manifest
        sides = [weights.input.long_side for weights in manifest.weights.values()]
        sides += [gate.long_side for gate in manifest.gates() if gate.long_side]
        for network in manifest.segmenters():
            sides += network.long_sides
        if manifest.union:
            sides += manifest.union.long_sides
        return max(sides)

    def segment(self, pixels: Pixels) -> Segmentation:
        """Scores and masks of a photo (H x W x 3 uint8, BGR).

        Gates run first, in the manifest's order; a trunk shared by several networks
        runs once.
        """
        manifest = self.bundle.manifest
        view = self._view(pixels)
        logits: dict[str, float] = {}
        for gate in manifest.gates():
            logits[gate.name] = view.logit(gate)
            if sigmoid(logits[gate.name]) < gate.threshold and gate.ends_with != "none":
                return Segmentation(
                    damage_score=_damage_score(gate, logits, manifest.decision.gate),
                    decided_by=gate.name,
                    scores={name: float(sigmoid(logit)) for name, logit in logits.items()},
                    size=view.size,
                    ended=Verdict(gate.ends_with),
                    reason=_reason_of(gate),
                )
        window = view.vehicle(manifest.locator) if manifest.locator else None
        near = self._view(view.cropped(window), window) if window else view
        decided_by = manifest.decision.gate
        score_logit = logits[decided_by]
        if manifest.union and (evidence := manifest.decision.evidence):
            decided_by = evidence.network
            score_logit = (
                evidence.gate_scale * float(np.clip(score_logit, -LOGIT_LIMIT, LOGIT_LIMIT))
                + evidence.scale * near.evidence(manifest.union, evidence.share)
                + evidence.offset
            )
        return Segmentation(
            damage_score=float(sigmoid(score_logit)),
            decided_by=decided_by,
            scores={name: float(sigmoid(logit)) for name, logit in logits.items()},
            size=view.size,
            find_masks=lambda: self._masks(near, view.size),
        )

    def _masks(self, near: PhotoView, size: tuple[int, int]) -> dict[str, Mask]:
        manifest = self.bundle.manifest
        masks = {network.type: near.mask(network, size) for network in manifest.segmenters()}
        if manifest.union:
            stable = [n.type for n in manifest.segmenters() if n.status == "stable"]
            _give_unclaimed(masks, near.mask(manifest.union, size), stable)
        return masks

    def _view(self, pixels: Pixels, window: Window | None = None) -> PhotoView:
        return PhotoView(self.engines, self.bundle.manifest.weights, pixels, window)


def _give_unclaimed(masks: Mapping[str, Mask], union: Mask, types: Sequence[str]) -> None:
    """Assign damaged pixels that no type claims to the likeliest of ``types``, in place."""
    where = box_around(union.pixels)
    if where is None or not types:
        return
    unclaimed = union.pixels[where].copy()
    for mask in masks.values():
        unclaimed &= ~mask.pixels[where]
    if not unclaimed.any():
        return
    likeliest = np.argmax([masks[type].claims(where) for type in types], axis=0)
    for number, type in enumerate(types):
        masks[type].pixels[where] |= unclaimed & (likeliest == number)


def _damage_score(gate: Gate, logits: Mapping[str, float], decisive: str) -> float:
    """The damage score of a photo whose inspection ``gate`` ended, before or at ``decisive``."""
    name = gate.name if gate.ends_with == "clean" else decisive
    return float(sigmoid(logits.get(name, -np.inf)))


def _reason_of(gate: Gate) -> Reason | None:
    if gate.code is None:
        return None
    return Reason(gate.code, f"the {gate.name} network scored below {gate.threshold}")
