"""From a network's output to the regions of a photo that show faces or plates."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from model_store.engines.interface import Array
from model_store.manifest import RedactNetwork, Subject

CENTRE_CHANNELS = 5
OVERLAP = 0.4  # intersection over union from which two boxes show the same face
MIN_MARGIN_CELLS = 0.5  # an area's border may lie anywhere within a cell


@dataclass(frozen=True, slots=True)
class Region:
    """An area to redact: its convex outline (N x 2, x and y in pixels) and its probability."""

    subject: Subject
    outline: NDArray[np.float32]
    probability: float


def find_regions(output: Array, network: RedactNetwork, size: tuple[int, int]) -> list[Region]:
    """The regions in a photo of ``size`` (width, height).

    ``output``: C x h x w, as the network's ``shape`` says; h and w cover the whole photo.
    """
    find = _centres if network.shape == "centres" else _areas
    rows, columns = output.shape[1:]
    scale = np.array([size[0] / columns, size[1] / rows], np.float32)
    return [
        Region(network.subject, _enlarged(outline, network.margin) * scale, probability)
        for outline, probability in find(output, network.threshold)
    ]


def area_mask(regions: list[Region], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask (H x W uint8) with 255 in ``regions``; ``size`` is (width, height)."""
    mask = np.zeros((size[1], size[0]), np.uint8)
    for region in regions:
        cv2.fillConvexPoly(mask, np.round(region.outline).astype(np.int32), 255)
    return mask


Found = tuple[NDArray[np.float32], float]


def _areas(output: Array, threshold: float) -> list[Found]:
    """The hulls of connected areas in a mask's logits, in cells, with their probabilities."""
    probability = 1 / (1 + np.exp(-np.clip(output[0], -30, 30)))
    contours, _ = cv2.findContours(
        (probability >= threshold).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    found = []
    for contour in contours:
        left, top, width, height = cv2.boundingRect(contour)
        strongest = float(probability[top : top + height, left : left + width].max())
        # Contours run through the middles of cells, so the area reaches half a cell further.
        corners = contour.reshape(-1, 1, 2).astype(np.float32) + 0.5
        around = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]], np.float32)
        hull = cv2.convexHull((corners + around).reshape(-1, 2))
        found.append((hull.reshape(-1, 2).astype(np.float32), strongest))
    return found


def _centres(output: Array, threshold: float) -> list[Found]:
    """Boxes around the centres in CenterFace's output, in cells, without repetitions."""
    probability, log_height, log_width, down, right = output[:CENTRE_CHANNELS]
    rows, columns = np.nonzero(probability >= threshold)
    at = (rows, columns)
    height, width = np.exp(log_height[at]), np.exp(log_width[at])
    left = columns + right[at] + 0.5 - width / 2
    top = rows + down[at] + 0.5 - height / 2
    boxes = np.stack([left, top, width, height], 1).astype(np.float32)
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), probability[at].tolist(), threshold, OVERLAP)
    return [(_corners(boxes[n]), float(probability[rows[n], columns[n]])) for n in kept]


def _corners(box: NDArray[np.float32]) -> NDArray[np.float32]:
    left, top, width, height = box
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def _enlarged(outline: NDArray[np.float32], margin: float) -> NDArray[np.float32]:
    """``outline`` (in cells), moved outwards by ``margin``, relative to its shorter side."""
    (_, (across, along), _) = cv2.minAreaRect(outline)
    distance = max(MIN_MARGIN_CELLS, margin * min(across, along))
    around = distance * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    hull = cv2.convexHull((outline[:, None] + around).reshape(-1, 2).astype(np.float32))
    return hull.reshape(-1, 2).astype(np.float32)
