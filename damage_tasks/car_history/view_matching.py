"""Finds the same part of a car in two photos: local features, and the homography that maps them.

SIFT (Lowe 2004) as RootSIFT (Arandjelović and Zisserman 2012), and MAGSAC++ (Barath et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE_PX = 1600  # of the photos that are compared
FEATURES = 3000
CONTRAST = 0.02  # of a feature: car panels are smooth
RATIO = 0.8  # of the distances to the best and the second-best match
REACH_PX = 4.0  # of an inlier to its place under the homography
MIN_INLIERS = 12
MIN_INLIER_SHARE = 0.2  # of all matches: many chance matches can also yield some inliers
MIN_SPREAD = 0.05  # of the photo's sides, by the standard deviation of the inliers
MAX_STRETCH = 4.0  # between the directions: a panel that is seen at a flatter angle
CELL_PX = 4  # inliers so close together count once

Points = NDArray[np.float32]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class View:
    """A photo and its features.

    ``grey`` is H x W uint8; ``points`` (N x 2) are pixels (x, y) and ``descriptors`` (N x 128)
    have unit length, both float32.
    """

    grey: NDArray[np.uint8]
    points: Points
    descriptors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Registration:
    """Where the parts of one photo are in another one.

    ``matrix`` is the homography from pixels of the first to pixels of the second (3 x 3,
    float64). ``points`` and ``partners`` (N x 2, float32) are its inliers in the two photos.
    """

    matrix: Matrix
    points: Points
    partners: Points


def describe(pixels: NDArray[np.uint8]) -> View:
    """The features of a photo (H x W x 3 uint8, BGR)."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    found, descriptors = cv2.SIFT_create(FEATURES, contrastThreshold=CONTRAST).detectAndCompute(
        grey, None
    )
    if descriptors is None:
        return View(grey, np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    roots = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6))
    points = np.array([each.pt for each in found], np.float32)
    return View(grey, points[:FEATURES], roots[:FEATURES].astype(np.float32))


def register(view: View, other: View) -> Registration | None:
    """The homography from ``view`` to ``other``; None if they do not clearly show the same."""
    points, partners = _matches(view, other)
    if len(points) < MIN_INLIERS:
        return None
    matrix, is_inlier = cv2.findHomography(
        points, partners, cv2.USAC_MAGSAC, REACH_PX, maxIters=5000, confidence=0.9999
    )
    if matrix is None:
        return None
    chosen = is_inlier.ravel() > 0
    points, partners = points[chosen], partners[chosen]
    apart = _apart(points) & _apart(partners)
    points, partners = points[apart], partners[apart]
    is_clear = len(points) >= MIN_INLIERS and len(points) >= MIN_INLIER_SHARE * len(chosen)
    if not is_clear or not _is_spread(points, view) or not _is_spread(partners, other):
        return None
    if not all(is_plausible(matrix, point) for point in points):
        return None
    return Registration(np.asarray(matrix, np.float64), points, partners)


def transform(matrix: Matrix, points: NDArray[np.floating]) -> Matrix:
    """``points`` (N x 2) mapped by the homography ``matrix``."""
    mapped = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return mapped[:, :2] / mapped[:, 2:]


def local_derivative(matrix: Matrix, point: NDArray[np.floating]) -> Matrix:
    """The derivative (2 x 2) of the homography ``matrix`` at ``point``."""
    x, y, w = matrix @ np.array([point[0], point[1], 1.0])
    return (matrix[:2, :2] - np.outer([x / w, y / w], matrix[2, :2])) / w


def is_plausible(matrix: Matrix, point: NDArray[np.floating]) -> bool:
    """Whether two photos of a panel can be related like this: not mirrored, not too slanted."""
    if matrix[2] @ np.array([point[0], point[1], 1.0]) * matrix[2, 2] <= 0:
        return False
    derivative = local_derivative(matrix, point)
    large, small = np.linalg.svd(derivative, compute_uv=False)
    return bool(np.linalg.det(derivative) > 0 and large <= MAX_STRETCH * small)


def _matches(view: View, other: View) -> tuple[Points, Points]:
    """Pairs of features that are each other's best match, and clearly better than the second."""
    if len(view.points) < 2 or len(other.points) < 2:
        return view.points[:0], other.points[:0]
    likeness = view.descriptors @ other.descriptors.T
    rows = np.arange(len(likeness))
    best = likeness.argmax(axis=1)
    is_mutual = likeness.argmax(axis=0)[best] == rows
    nearest = likeness[rows, best]
    likeness[rows, best] = -1
    # Of unit vectors, 2 - 2 * likeness is the squared distance.
    is_clear = 1 - nearest < RATIO**2 * (1 - likeness.max(axis=1))
    chosen = np.flatnonzero(is_mutual & is_clear)
    return view.points[chosen], other.points[best[chosen]]


def _apart(points: Points) -> NDArray[np.bool_]:
    """One point of each cell."""
    first = np.unique(points // CELL_PX, axis=0, return_index=True)[1]
    chosen = np.zeros(len(points), bool)
    chosen[first] = True
    return chosen


def _is_spread(points: Points, view: View) -> bool:
    height, width = view.grey.shape
    return bool((points.std(axis=0) >= MIN_SPREAD * min(width, height)).all())
