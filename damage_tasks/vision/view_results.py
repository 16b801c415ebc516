"""One view of a photo (the whole photo or a crop) and the networks' results for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.vision.bounding_box import Box
from damage_tasks.vision.network_inputs_and_masks import (
    Pixels,
    Probabilities,
    add_sigmoid,
    calibrated,
    network_input,
    refine_to_edges,
    sigmoid,
    threshold_mask,
)
from model_store.engines import Engine
from model_store.manifest import Gate, Locator, MaskPolicy, SegmentNetwork, UnionNetwork, Weights

Window = tuple[int, int, int, int]

LOGIT_LIMIT = 8.0  # beyond it, certainty no longer grows
# Times the lowest probability that counts; refinement cannot raise lower values to it.
MIN_REFINED_RATIO = 0.5
MASK_LONG_SIDE_PX = 1024  # fine enough for outlines


class Mask:
    """One type's damage: ``pixels`` (H x W bool) and its ``probabilities`` (H x W, 0 to 1).

    Probabilities may be given as a function that is called on first use,
    because most masks are empty and never need them.
    """

    def __init__(
        self,
        pixels: NDArray[np.bool_],
        probabilities: Probabilities | Callable[[], Probabilities],
        policy: MaskPolicy,
    ) -> None:
        self.pixels = pixels
        self.policy = policy
        self._probabilities = probabilities

    @property
    def probabilities(self) -> Probabilities:
        """H x W float32, 0 to 1."""
        if callable(self._probabilities):
            self._probabilities = self._probabilities()
        return self._probabilities

    def claims(self, where: Box) -> Probabilities:
        """How strongly the type claims the pixels in ``where``, comparable between types."""
        return self.probabilities[where] / np.float32(max(self.policy.lowest, 1e-3))


class PhotoView:
    """The networks' results for one view; nothing is computed twice.

    ``window`` is the part of the photo that the view shows, in pixels of the masks:
    x, y, width, height.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine],
        weights: Mapping[str, Weights],
        pixels: Pixels,
        window: Window | None = None,
    ) -> None:
        self._engines = engines
        self._weights = weights
        self._pixels = pixels
        self._encoded: dict[tuple[str, int], tuple[Any, Any]] = {}
        self._decoded: dict[tuple[str, int], Any] = {}
        self._window = window
        height, width = pixels.shape[:2]
        scale = min(1.0, MASK_LONG_SIDE_PX / max(height, width))
        self.size = (max(1, round(width * scale)), max(1, round(height * scale)))

    def logit(self, gate: Gate) -> float:
        """The gate's calibrated logit."""
        side = gate.long_side or self._side(gate.weights)
        _, logits = self._encode(gate.weights, side)
        return float(calibrated(logits[gate.output.channel], gate.calibration))

    def mask(self, network: SegmentNetwork | UnionNetwork, size: tuple[int, int]) -> Mask:
        """The network's mask at ``size`` (width, height) of the whole photo."""
        strongest = [float(sigmoid(logits.max())) for logits in self._logits(network)]
        likeliest = sum(strongest) / len(strongest)
        if likeliest < network.policy.threshold:
            # An interpolated pixel is never surer than its neighbours; refining only moves borders.
            nothing = np.zeros(size[::-1], np.bool_)
            return Mask(nothing, lambda: self._probabilities(network, size), network.policy)
        found = self._probabilities(network, size)
        return Mask(threshold_mask(found, network.policy), found, network.policy)

    def _probabilities(
        self, network: SegmentNetwork | UnionNetwork, size: tuple[int, int]
    ) -> Probabilities:
        x, y, width, height = self._window or (0, 0, *size)
        found = np.zeros((height, width), np.float32)
        sides = self._sides(network)
        for logits in self._logits(network):
            # Resize logits, not probabilities, so that an outline between two pixels stays put.
            large = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
            add_sigmoid(found, np.asarray(large, np.float32))
        found /= len(sides)
        if network.policy.refine:
            photo = self._pixels
            if photo.shape[:2] != (height, width):
                photo = np.asarray(cv2.resize(photo, (width, height)), np.uint8)
            found = refine_to_edges(found, photo, MIN_REFINED_RATIO * network.policy.lowest)
        if self._window:
            whole = np.zeros(size[::-1], np.float32)
            whole[y : y + height, x : x + width] = found
            found = whole
        return found

    def evidence(self, union: UnionNetwork, share: float) -> float:
        """The logit of the mean of the strongest ``share`` of pixels, averaged over input sizes."""
        found = []
        for logits in self._logits(union):
            count = max(4, round(share * logits.size))
            strongest = np.partition(sigmoid(logits), -count, axis=None)[-count:]
            mean = float(np.clip(strongest.mean(), 1e-6, 1 - 1e-6))
            found.append(float(np.clip(np.log(mean / (1 - mean)), -LOGIT_LIMIT, LOGIT_LIMIT)))
        return sum(found) / len(found)

    def vehicle(self, locator: Locator) -> Window | None:
        """The window around the vehicle, in pixels of the masks, if a crop is worthwhile."""
        if not locator.crop_below:
            return None
        logits = self._decode(locator.weights, self._side(locator.weights))
        inside = sigmoid(calibrated(logits[locator.output.channel], locator.calibration))
        rows, columns = (np.flatnonzero((inside >= locator.threshold).any(axis)) for axis in (1, 0))
        if not rows.size:
            return None
        spans = []
        for found, cells, pixels in (
            (columns, inside.shape[1], self.size[0]),
            (rows, inside.shape[0], self.size[1]),
        ):
            margin = locator.margin * (found[-1] + 1 - found[0])
            first = max(0, int((found[0] - margin) * pixels / cells))
            last = min(pixels, int(np.ceil((found[-1] + 1 + margin) * pixels / cells)))
            spans.append((first, last - first))
        (x, width), (y, height) = spans
        if width * height >= locator.crop_below * self.size[0] * self.size[1]:
            return None
        return x, y, width, height

    def cropped(self, window: Window) -> Pixels:
        """The photo's pixels inside ``window``."""
        rows, columns = self._pixels.shape[:2]
        across, down = columns / self.size[0], rows / self.size[1]
        x, y, width, height = window
        top, left = int(y * down), int(x * across)
        bottom, right = round((y + height) * down), round((x + width) * across)
        return self._pixels[top : max(bottom, top + 1), left : max(right, left + 1)]

    def _logits(self, network: SegmentNetwork | UnionNetwork) -> list[Any]:
        return [
            calibrated(
                self._decode(network.weights, side)[network.output.channel], network.calibration
            )
            for side in self._sides(network)
        ]

    def _sides(self, network: SegmentNetwork | UnionNetwork) -> tuple[int, ...]:
        return network.long_sides or (self._side(network.weights),)

    def _side(self, weights: str) -> int:
        return self._weights[weights].input.long_side

    def _encode(self, weights: str, side: int) -> tuple[Any, Any]:
        key = (weights, side)
        if key not in self._encoded:
            form = self._weights[weights].input
            engine = self._engines[weights]
            self._encoded[key] = engine.encode(network_input(self._pixels, form, side))
        return self._encoded[key]

    def _decode(self, weights: str, side: int) -> Any:
        key = (weights, side)
        if key not in self._decoded:
            state, _ = self._encode(weights, side)
            self._decoded[key] = self._engines[weights].decode(state)
        return self._decoded[key]
