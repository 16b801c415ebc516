"""Transplants damage from one photo to the vehicle in another.

Copy-paste (Ghiasi et al., arXiv:2012.07177) with the light of its new place (Pérez et
al., Poisson Image Editing, 2003).  The same damage appears on other paint and in other
surroundings; with a few hundred damaged photos, a network would otherwise memorise them.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from model_training.data.targets import ANY, TYPE_BITS, TYPE_UNKNOWN

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Random = np.random.Generator

DAMAGE_BITS = ANY | TYPE_UNKNOWN | sum(TYPE_BITS.values())
MIN_PIECE_SIDE_PX, MAX_PIECE_SIDE_PX = 12, 320  # px; of the transplanted piece
MARGIN_RATIO = 0.12  # of the piece's side, around the damage
BLENDED_SHARE = 0.75  # share adapted to the light of the new place; the others are feathered in
CONTROL_SHARE = 0.25  # share of pieces without damage, so that seams do not reveal damage


def transplant(
    photo: Photo, label: Mask, spot: tuple[int, int], donor: tuple[Photo, Mask], rng: Random
) -> tuple[Photo, Mask]:
    """``photo`` (H x W x 3 uint8, BGR) with a damaged area of ``donor`` around ``spot`` (x, y).

    ``label`` and the donor's label are label bytes (see `label_of`).  A quarter of
    the pieces come from elsewhere in ``photo`` and change no label.  Returns
    ``photo`` and ``label`` unchanged if nothing fits.
    """
    piece = _piece(*donor, photo.shape[:2], rng)
    if piece is None:
        return photo, label
    pixels, bits = piece
    ring = _disc(max(bits.shape) * MARGIN_RATIO / 2)
    inside = np.asarray(cv2.dilate((bits & ANY > 0).astype(np.uint8), ring), np.uint8)
    height, width = bits.shape
    left = int(np.clip(spot[0] - width // 2, 1, photo.shape[1] - width - 1))
    top = int(np.clip(spot[1] - height // 2, 1, photo.shape[0] - height - 1))
    place = np.s_[top : top + height, left : left + width]
    inside[[0, 1, -2, -1]] = 0
    inside[:, [0, 1, -2, -1]] = 0
    if not inside.any():
        return photo, label
    if rng.random() < CONTROL_SHARE:
        pixels, bits = _elsewhere(photo, bits.shape, rng), bits & np.uint8(0)
    photo, label = photo.copy(), label.copy()
    photo[place] = _blended(pixels, photo[place], inside, rng.random() < BLENDED_SHARE)
    damaged = (bits & ANY > 0) & (inside > 0)
    label[place][damaged] = (
        label[place][damaged] & ~np.uint8(DAMAGE_BITS) | bits[damaged] & DAMAGE_BITS
    )
    return photo, label


def _piece(
    photo: Photo, label: Mask, room: tuple[int, int], rng: Random
) -> tuple[Photo, Mask] | None:
    """One damaged area of ``photo``, rotated and resized to fit into ``room`` (height, width)."""
    count, _, boxes, _ = cv2.connectedComponentsWithStats((label & ANY > 0).astype(np.uint8))
    if count < 2:
        return None
    x, y, width, height, _ = boxes[int(rng.integers(1, count))]
    side = max(width, height)
    wanted = math.exp(rng.uniform(math.log(0.1), math.log(0.55))) * max(room)
    zoom = float(np.clip(wanted, MIN_PIECE_SIDE_PX, MAX_PIECE_SIDE_PX)) / max(side, 1)
    zoom = min(zoom, 1.6)  # enlarged further, it would be blurred
    matrix = cv2.getRotationMatrix2D((0, 0), float(rng.normal(0, 20)), zoom)
    if rng.random() < 0.5:
        matrix = matrix @ np.diag([-1.0, 1.0, 1.0])
    box = np.array([[x, x + width, x + width, x], [y, y, y + height, y + height], [1] * 4])
    corners = matrix @ box
    low, high = corners.min(1), corners.max(1)
    border = MARGIN_RATIO * float((high - low).max()) + 3
    size = np.ceil(high - low + 2 * border).astype(int)  # width, height
    if size[0] > room[1] - 3 or size[1] > room[0] - 3 or size.min() < MIN_PIECE_SIDE_PX / 2:
        return None
    matrix[:, 2] += border - low
    to = (int(size[0]), int(size[1]))
    edge = cv2.BORDER_REFLECT_101
    shrunk = cv2.GaussianBlur(photo, (0, 0), 0.35 / zoom) if zoom < 0.6 else photo
    pixels = cv2.warpAffine(shrunk, matrix, to, flags=cv2.INTER_LINEAR, borderMode=edge)
    bits = cv2.warpAffine(
        label, matrix, to, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT
    )
    return np.asarray(pixels, np.uint8), np.asarray(bits, np.uint8)


def _elsewhere(photo: Photo, shape: tuple[int, ...], rng: Random) -> Photo:
    y = int(rng.integers(0, photo.shape[0] - shape[0] + 1))
    x = int(rng.integers(0, photo.shape[1] - shape[1] + 1))
    return photo[y : y + shape[0], x : x + shape[1]]


def _blended(above: Photo, below: Photo, inside: Mask, poisson: bool) -> Photo:
    if poisson:
        # seamlessClone centres the mask's bounding box.
        x, y, width, height = cv2.boundingRect(inside)
        centre = (x + width // 2, y + height // 2)
        found = cv2.seamlessClone(above, below, inside * 255, centre, cv2.NORMAL_CLONE)
        return np.asarray(found, np.uint8)
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), max(inside.shape) * 0.02 + 0.5)
    soft = np.minimum(soft * 1.5, 1)[..., None]
    return (soft * above + (1 - soft) * below).astype(np.uint8)


def _disc(radius: float) -> Mask:
    side = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
