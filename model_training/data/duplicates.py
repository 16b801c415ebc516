"""Finds photos that are on both sides of a split: unchanged, mirrored, cropped or scaled.

A perceptual hash finds whole copies.  Crops have a different hash, so they are found by local
features (ORB; Rublee et al., ICCV 2011).  Both only propose pairs; a pair counts if a
homography (RANSAC) aligns enough features and the pixels then correlate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from model_training.data.labelled_photos import LabelledPhoto

Grey = NDArray[np.uint8]
Descriptors = NDArray[np.uint8]  # N x 32
Points = NDArray[np.float32]  # N x 2

COMPARED_LONG_SIDE_PX = 400
# Local features per photo.
FEATURES_TO_PROPOSE_PAIRS = 160
FEATURES_TO_COMPARE_PAIRS = 700
MAX_HASH_DISTANCE_BITS = 12  # of 64 bits
MAX_DESCRIPTOR_DISTANCE_BITS = 48  # of 256 bits
MIN_COMMON_FEATURES = 5  # of a candidate
MAX_CANDIDATES_PER_PHOTO = 6
MAX_NEIGHBOUR_RATIO = 0.8  # Lowe's ratio of the nearest to the second nearest
MAX_REPROJECTION_PX = 4.0
MIN_OVERLAP_RATIO = 0.08  # of the smaller photo
MIN_CONTRAST_GREY_LEVELS = 4.0  # flat surfaces correlate with anything


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A photo of val and its copy in train, and how well they agree once aligned."""

    val: str
    train: str
    mirrored: bool
    inliers: int
    correlation: float
    hash_distance: int


@dataclass(frozen=True, slots=True)
class _Signature:
    hash: np.uint64
    descriptors: Descriptors


def find_duplicates(
    val: Sequence[LabelledPhoto],
    train: Sequence[LabelledPhoto],
    inliers: int = 12,
    correlation: float = 0.75,
    console: Console | None = None,
) -> list[Duplicate]:
    """The pairs of ``val`` and ``train`` photos that show the same photo, best first.

    A pair needs ``inliers`` aligned local features and a ``correlation`` of
    the pixels where the photos overlap.  Raises `PhotosError` when a photo cannot be decoded.
    """
    if not val or not train:
        return []
    known = [_signature(read_grey(p)) for p in _shown(train, "features of train", console)]
    search = _Search(known)
    found = []
    for photo in _shown(val, "looking for copies of val", console):
        grey = read_grey(photo)
        for mirrored in (False, True):
            shown = np.ascontiguousarray(grey[:, ::-1]) if mirrored else grey
            signature = _signature(shown)
            for place in search.candidates(signature):
                other = train[place]
                agreed, alike = compare(shown, read_grey(other))
                if agreed >= inliers and alike >= correlation:
                    distance = (signature.hash ^ known[place].hash).item().bit_count()
                    found.append(Duplicate(photo.id, other.id, mirrored, agreed, alike, distance))
    return sorted(found, key=lambda pair: -pair.correlation)


def read_grey(photo: LabelledPhoto) -> Grey:
    """The photo in grey (H x W uint8), at up to `COMPARED_LONG_SIDE_PX` px."""
    pixels, _ = photo.read(COMPARED_LONG_SIDE_PX)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def perceptual_hash(grey: Grey) -> np.uint64:
    """64 bits that change little if a photo is scaled or compressed (pHash)."""
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return np.uint64(int.from_bytes(np.packbits(bits).tobytes(), "big"))


def compare(one: Grey, other: Grey) -> tuple[int, float]:
    """Number of aligned features of two photos, and the correlation of their overlap (-1 to 1).

    (0, 0) if no plausible homography maps one photo to the other.
    """
    (points, first), (places, second) = (
        _features(one, FEATURES_TO_COMPARE_PAIRS),
        _features(other, FEATURES_TO_COMPARE_PAIRS),
    )
    if len(first) < 4 or len(second) < 4:
        return 0, 0.0
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(first, second, k=2)
    good = [
        p[0] for p in pairs if len(p) == 2 and p[0].distance < MAX_NEIGHBOUR_RATIO * p[1].distance
    ]
    if len(good) < 6:
        return 0, 0.0
    source = np.array([points[m.queryIdx] for m in good], np.float32)
    target = np.array([places[m.trainIdx] for m in good], np.float32)
    cv2.setRNGSeed(0)  # otherwise the result would depend on earlier calls
    matrix, inside = cv2.findHomography(source, target, cv2.RANSAC, MAX_REPROJECTION_PX)
    if matrix is None or not _is_plausible(matrix, one.shape):
        return 0, 0.0
    # Many features in one spot (a logo, a plate) show the same object, not the same photo.
    spots = np.unique(np.round(target[inside.ravel() > 0] / 8), axis=0)
    return len(spots), _correlation(one, other, matrix)


class _Search:
    """Proposes copies among many photos."""

    def __init__(self, known: Sequence[_Signature]) -> None:
        self._hashes = np.array([s.hash for s in known], np.uint64)
        self._owners = np.repeat(np.arange(len(known)), [len(s.descriptors) for s in known])
        lsh: dict[str, Any] = {
            "algorithm": 6, "table_number": 6, "key_size": 16, "multi_probe_level": 1,
        }  # fmt: skip
        self._index = cv2.flann.Index()
        self._index.build(np.vstack([s.descriptors for s in known]), lsh, 9)  # 9: Hamming

    def candidates(self, signature: _Signature) -> list[int]:
        """Indices of the photos that may be copies, likeliest first."""
        distances = np.bitwise_count(self._hashes ^ signature.hash)
        alike = np.flatnonzero(distances <= MAX_HASH_DISTANCE_BITS)
        alike = alike[np.argsort(distances[alike], kind="stable")][:MAX_CANDIDATES_PER_PHOTO]
        return list(dict.fromkeys([*(int(place) for place in alike), *self._by_votes(signature)]))

    def _by_votes(self, signature: _Signature) -> list[int]:
        if not len(signature.descriptors):
            return []
        nearest, distances = self._index.knnSearch(signature.descriptors, 3, params={})
        votes: Counter[int] = Counter()
        for row, far in zip(nearest, distances, strict=True):
            owners = {
                int(self._owners[place])
                for place, distance in zip(row, far, strict=True)
                if 0 <= place < len(self._owners) and distance <= MAX_DESCRIPTOR_DISTANCE_BITS
            }
            votes.update(owners)
        return [
            place
            for place, count in votes.most_common(MAX_CANDIDATES_PER_PHOTO)
            if count >= MIN_COMMON_FEATURES
        ]


def _signature(grey: Grey) -> _Signature:
    return _Signature(perceptual_hash(grey), _features(grey, FEATURES_TO_PROPOSE_PAIRS)[1])


def _features(grey: Grey, count: int) -> tuple[Points, Descriptors]:
    points, descriptors = cv2.ORB_create(count, fastThreshold=12).detectAndCompute(grey, None)
    if descriptors is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8)
    return np.array([p.pt for p in points], np.float32), np.asarray(descriptors, np.uint8)


def _is_plausible(matrix: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether a photo of ``shape`` stays a convex quadrangle of a sensible size."""
    height, width = shape
    corners = np.array([[[0, 0]], [[width, 0]], [[width, height]], [[0, height]]], np.float32)
    there = cv2.perspectiveTransform(corners, matrix)
    if not np.isfinite(there).all() or not cv2.isContourConvex(there.astype(np.float32)):
        return False
    scale = cv2.contourArea(there, oriented=True) / (width * height)
    return 0.02 < scale < 50  # never mirrored: mirrored copies are compared separately


def _correlation(one: Grey, other: Grey, matrix: NDArray[np.float64]) -> float:
    size = (other.shape[1], other.shape[0])
    moved = cv2.warpPerspective(one, matrix, size, flags=cv2.INTER_AREA)
    covered = cv2.warpPerspective(np.ones_like(one), matrix, size, flags=cv2.INTER_NEAREST) > 0
    if covered.mean() < MIN_OVERLAP_RATIO:
        return 0.0
    a, b = (cv2.GaussianBlur(g, (0, 0), 1.5)[covered].astype(np.float64) for g in (moved, other))
    if min(a.std(), b.std()) < MIN_CONTRAST_GREY_LEVELS:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _shown(values: Sequence[LabelledPhoto], title: str, console: Console | None) -> Any:
    return track(values, title, console=console, disable=console is None)
