"""Compares the place of a damaged area with the same place in an earlier photo.

Car panels are not flat, so the homography of two whole photos is only roughly right. The
surroundings of the area are therefore aligned again (ECC, Evangelidis and Psarakis 2008), and
only if their details agree on every side is the place itself compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from damage_tasks.car_history.photo_windows import (
    Cover,
    Floats,
    Grey,
    blurred,
    cut,
    cut_cover,
    scale_of,
    window_around,
)
from damage_tasks.car_history.view_matching import Matrix, Registration, transform
from damage_tasks.damage_history import Evidence

RIM_PX = 4  # around the area, because outlines are not exact
FINE_PX, COARSE_PX = 1.2, 6.0  # standard deviations of the filters between which details are
# How much of the place and its surroundings the earlier photo must show.
MIN_VISIBLE_INSIDE, MIN_VISIBLE_AROUND = 0.98, 0.7
MIN_INSIDE_PX, MIN_AROUND_PX, MIN_SIDE_PX = 30, 200, 150
MIN_SIDES = 3  # of the area, on which there are surroundings
# How good it must be there: pixels by length, contrast of details, and share of black or white.
MIN_SCALE, MIN_SHARPNESS, MAX_CLIPPED = 0.6, 0.5, 0.1
BLACK, WHITE = 5, 250
# How far the alignment may move a corner of the window.
MAX_MOVE_PX, MAX_MOVE_SHARE = 12, 0.06
# Correlations of details. The surroundings are the same above these, on the whole and on each side.
ALIKE, ALIKE_ON_EACH_SIDE = 0.85, 0.6
ROUGHLY_ALIKE = 0.5  # enough if the networks found damage there before
# What differs the most inside the area (a share of its pixels) is not in the earlier photo below
# the first correlation, and is in it above the second.
DIFFERENT_SHARE, ABSENT_BELOW, PRESENT_ABOVE = 0.15, 0.35, 0.96
NEARBY_ABOVE, NEARBY_SHARE = 0.6, 0.3  # correlation, and how far away, of the window's size
MIN_CHANGE = 1.3  # of differences inside the area, relative to those around it
SHIFTS_PX = (-4, -2, 0, 2, 4)  # errors that may be left by the alignment
SAME_DAMAGE_SHARE = 0.5  # of the smaller of two areas that overlap


@dataclass(frozen=True, slots=True)
class Place:
    """A damaged area of a photo: ``inside`` it, and inside the ``others`` (H x W bool)."""

    inside: Cover
    others: Cover


class _Pair(NamedTuple):
    """The details of a place and its surroundings in both photos, pixel on pixel."""

    later: Floats
    earlier: Floats
    inside: Cover
    around: Cover


def evidence_of(
    place: Place, later: Grey, earlier: Grey, registration: Registration, marked: Cover
) -> Evidence:
    """What the photo ``earlier`` shows at ``place`` of the photo ``later`` (both H x W uint8).

    ``registration`` maps ``later`` to ``earlier``; ``marked`` is where the networks found damage
    in ``earlier``.
    """
    size, to_later = window_around(place.inside)
    to_earlier = registration.matrix @ to_later
    inside = cut_cover(place.inside, to_later, size)
    rim = _grown(inside)
    surroundings = ~rim & ~cut_cover(place.others, to_later, size)
    there = cut_cover(np.ones(earlier.shape, bool), to_earlier, size)
    around = surroundings & there
    if not _is_visible(rim, there, MIN_INSIDE_PX, MIN_VISIBLE_INSIDE):
        return Evidence.NOT_IN_PHOTO
    if not _is_visible(surroundings, there, MIN_AROUND_PX, MIN_VISIBLE_AROUND):
        return Evidence.NOT_IN_PHOTO
    scale = scale_of(to_earlier, size)
    if scale < MIN_SCALE:
        return Evidence.TOO_COARSE
    patch = blurred(cut(later, to_later, size), 1 / scale)
    aligned = _align(patch, cut(earlier, to_earlier, size), around)
    if aligned is None:
        return Evidence.LOOKS_DIFFERENT
    to_earlier = to_earlier @ aligned
    picture = cut(earlier, to_earlier, size)
    pair = _Pair(_details(patch), _details(picture), rim, around)
    alike = _correlation(pair.later, pair.earlier, around)
    if alike >= ROUGHLY_ALIKE and _is_marked(inside, cut_cover(marked, to_earlier, size)):
        return Evidence.MARKED
    if alike < ALIKE or not _is_alike_on_each_side(pair):
        return Evidence.LOOKS_DIFFERENT
    if not _is_good(pair, picture):
        return Evidence.TOO_COARSE
    found = _evidence_inside(pair)
    if found is Evidence.ABSENT and _is_nearby(pair, earlier, to_earlier):
        return Evidence.LOOKS_DIFFERENT
    return found


def _grown(cover: Cover) -> Cover:
    kernel = np.ones((2 * RIM_PX + 1, 2 * RIM_PX + 1), np.uint8)
    return np.asarray(cv2.dilate(cover.astype(np.uint8), kernel) > 0)


def _is_visible(part: Cover, there: Cover, min_px: int, min_share: float) -> bool:
    total = int(part.sum())
    return total >= min_px and (part & there).sum() >= min_share * total


def _align(later: Floats, earlier: Floats, around: Cover) -> Matrix | None:
    """The small affine map between two windows that brings their surroundings together."""
    steps = cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-4
    start = np.eye(2, 3, dtype=np.float32)
    mask = around.astype(np.uint8) * 255
    try:
        _, affine = cv2.findTransformECC(
            _details(later), _details(earlier), start, cv2.MOTION_AFFINE, steps, mask, 5
        )
    except cv2.error:  # it does not converge: the windows are too different
        return None
    height, width = later.shape
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], float)
    matrix = np.vstack([affine, [0, 0, 1]]).astype(np.float64)
    move = np.abs(transform(matrix, corners) - corners).max()
    return matrix if move < max(MAX_MOVE_PX, MAX_MOVE_SHARE * max(width, height)) else None


def _details(picture: Floats) -> Floats:
    fine = cv2.GaussianBlur(picture, (0, 0), FINE_PX)
    return np.asarray(fine - cv2.GaussianBlur(picture, (0, 0), COARSE_PX), np.float32)


def _is_marked(inside: Cover, marked: Cover) -> bool:
    """Whether an area overlaps with one in ``marked``."""
    count, labels = cv2.connectedComponents(marked.astype(np.uint8))
    for number in range(1, count):
        other = labels == number
        smaller = min(inside.sum(), other.sum())
        if (inside & other).sum() >= SAME_DAMAGE_SHARE * smaller:
            return True
    return False


def _is_alike_on_each_side(pair: _Pair) -> bool:
    likeness = [
        _correlation(pair.later, pair.earlier, side)
        for side in _sides(pair)
        if side.sum() >= MIN_SIDE_PX
    ]
    return len(likeness) >= MIN_SIDES and min(likeness) >= ALIKE_ON_EACH_SIDE


def _sides(pair: _Pair) -> Iterator[Cover]:
    ys, xs = np.indices(pair.inside.shape)
    y, x = (each.mean() for each in np.nonzero(pair.inside))
    for side in (ys < y, ys >= y, xs < x, xs >= x):
        yield pair.around & side


def _is_good(pair: _Pair, picture: Floats) -> bool:
    """Whether the earlier photo is sharp around the place, and neither black nor white there."""
    sharpness = pair.earlier[pair.around].std() / max(pair.later[pair.around].std(), 1e-3)
    inside = picture[pair.inside]
    clipped = ((inside > WHITE) | (inside < BLACK)).mean()
    return bool(sharpness >= MIN_SHARPNESS and clipped < MAX_CLIPPED)


def _evidence_inside(pair: _Pair) -> Evidence:
    """Whether the earlier photo shows the damage, if its surroundings are the same."""
    later, earlier = pair.later, pair.earlier
    difference = _difference(pair)
    change = difference[pair.inside].std() / max(difference[pair.around].std(), 0.5)
    different = _different(pair)
    likeness = _best_correlation(later, earlier, different)
    if likeness <= ABSENT_BELOW and change >= MIN_CHANGE:
        return Evidence.ABSENT
    if min(likeness, _best_correlation(earlier, later, different)) >= PRESENT_ABOVE:
        return Evidence.SAME_LOOK
    return Evidence.LOOKS_DIFFERENT


def _difference(pair: _Pair) -> Floats:
    later, earlier = pair.later[pair.around], pair.earlier[pair.around]
    gain = (later * earlier).sum() / max((earlier**2).sum(), 1e-6)
    return np.asarray(pair.later - gain * pair.earlier, np.float32)


def _different(pair: _Pair) -> Cover:
    """The pixels inside the area that differ the most: the marks of the damage, if it is new."""
    difference = np.abs(_difference(pair))
    return pair.inside & (difference >= np.quantile(difference[pair.inside], 1 - DIFFERENT_SHARE))


def _is_nearby(pair: _Pair, earlier: Grey, to_earlier: Matrix) -> bool:
    """Whether ``earlier`` shows the marks of the damage some way off.

    That happens if the surroundings are not on the same surface as the damage: they are seen
    through glass or mirrored by paint, and move relative to it.
    """
    height, width = pair.later.shape
    margin = round(NEARBY_SHARE * max(width, height))
    shift = np.array([[1, 0, -margin], [0, 1, -margin], [0, 0, 1.0]])
    picture = cut(earlier, to_earlier @ shift, (width + 2 * margin, height + 2 * margin))
    marks = cv2.dilate(_different(pair).astype(np.uint8), np.ones((3, 3), np.uint8))
    x, y, w, h = cv2.boundingRect(marks)
    part = np.s_[y : y + h, x : x + w]
    likeness = cv2.matchTemplate(
        _details(picture),
        pair.later[part],
        cv2.TM_CCORR_NORMED,
        mask=marks[part].astype(np.float32),
    )
    return bool(likeness[np.isfinite(likeness)].max() > NEARBY_ABOVE)


def _correlation(one: Floats, other: Floats, where: Cover) -> float:
    a, b = one[where] - one[where].mean(), other[where] - other[where].mean()
    return float((a * b).sum() / max(math.sqrt((a * a).sum() * (b * b).sum()), 1e-6))


def _best_correlation(one: Floats, other: Floats, where: Cover) -> float:
    """The largest correlation of details of which ``other`` is moved by some of `SHIFTS_PX`."""
    height, width = one.shape
    ys, xs = np.nonzero(where)
    a = one[where]
    best = -1.0
    for down in SHIFTS_PX:
        for right in SHIFTS_PX:
            b = other[np.clip(ys + down, 0, height - 1), np.clip(xs + right, 0, width - 1)]
            product = math.sqrt(float((a * a).sum() * (b * b).sum()))
            best = max(best, float((a * b).sum()) / max(product, 1e-6))
    return best
