"""Puts drawn number plates into photos, under perspective and the photo's light."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from model_training.synthetic.drawn_plates import HEIGHT_PX, Picture, Random, draw_plate

Labels = NDArray[np.uint8]

# Values of a layer of labels.
PLATE, BACKGROUND = 1, 2
MAX_PLATES = 3
WIDTHS_PX = (13.0, 300.0)  # of a plate in a view
MAX_YAW, MAX_PITCH, ROLL = 65.0, 35.0, 9.0  # degrees; the roll is a standard deviation


def add_plates(view: Picture, labels: Labels, rng: Random) -> None:
    """Draw up to `MAX_PLATES` plates into ``view`` (H x W x 3 uint8, BGR) and ``labels`` (H x W).

    Some views also get boards, lamps and badges, which are `BACKGROUND`.
    """
    for _ in range(int(rng.choice([0, 1, 2]))):
        _paste(view, labels, _distractor(rng), BACKGROUND, rng)
    for _ in range(int(rng.choice([0, 1, 2, MAX_PLATES], p=[0.2, 0.5, 0.2, 0.1]))):
        _paste(view, labels, draw_plate(rng), PLATE, rng)


def _distractor(rng: Random) -> Picture:
    """Something with a plate's shape or text, but not both."""
    height, width = HEIGHT_PX, round(HEIGHT_PX * rng.uniform(0.6, 5))
    board = np.empty((height, width, 3), np.uint8)
    board[:] = rng.integers(20, 250, 3)
    kind = int(rng.integers(3))
    if kind == 0:  # a lamp or a plain board
        inner = tuple(int(v) for v in rng.integers(20, 250, 3))
        cv2.rectangle(board, (6, 6), (width - 7, height - 7), inner, -1)
    elif kind == 1:  # a grille
        step = int(rng.integers(8, 24))
        board[::step] = rng.integers(0, 90)
        board[:, :: step * 2] = rng.integers(0, 255)
    else:  # a round badge
        cv2.circle(board, (width // 2, height // 2), height // 3, (200, 200, 205), 6, cv2.LINE_AA)
    return board


def _paste(view: Picture, labels: Labels, plate: Picture, value: int, rng: Random) -> None:
    height, width = plate.shape[:2]
    corners = _turned(width / height, rng)
    low, high = (math.log(limit) for limit in WIDTHS_PX)
    corners *= math.exp(rng.uniform(low, high)) / np.ptp(corners[:, 0])
    extent = np.array([view.shape[1], view.shape[0]])
    corners += rng.uniform(0.02, 0.98, 2) * extent
    given = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(given, corners.astype(np.float32))
    shrink = max(1.0, width / max(1.0, float(np.ptp(corners[:, 0]))))
    if shrink > 1.5:  # bilinear sampling alone would alias
        plate = np.asarray(cv2.GaussianBlur(plate, (0, 0), 0.3 * shrink), np.uint8)
    size = (view.shape[1], view.shape[0])
    share = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, size)
    if not share.any():
        return
    seen = cv2.warpPerspective(plate, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    seen = _lit(seen, view, share, rng)
    blend = share[..., None].astype(np.float32) / 255
    view[:] = (view * (1 - blend) + seen * blend).astype(np.uint8)
    labels[share > 127] = value


def _turned(aspect: float, rng: Random) -> NDArray[np.float64]:
    """The corners of a turned plate around (0, 0), clockwise from the top left."""
    flat = np.array([[-1, -1 / aspect], [1, -1 / aspect], [1, 1 / aspect], [-1, 1 / aspect]])
    yaw = math.radians(float(np.clip(rng.normal(0, 30), -MAX_YAW, MAX_YAW)))
    pitch = math.radians(float(np.clip(rng.normal(0, 14), -MAX_PITCH, MAX_PITCH)))
    roll = math.radians(float(rng.normal(0, ROLL)))
    x, y = flat[:, 0] * math.cos(yaw), flat[:, 1] * math.cos(pitch)
    depth = 1 + (flat[:, 0] * math.sin(yaw) + flat[:, 1] * math.sin(pitch)) / rng.uniform(3, 9)
    x, y = x / depth, y / depth
    return np.stack(
        [x * math.cos(roll) - y * math.sin(roll), x * math.sin(roll) + y * math.cos(roll)], 1
    )


def _lit(seen: Picture, view: Picture, share: Labels, rng: Random) -> NDArray[np.float32]:
    """``seen`` in the light of the place in ``view`` where ``share`` is not 0."""
    around = cv2.dilate(share, np.ones((15, 15), np.uint8)) > 0
    light = float(np.clip(view[around].mean() / 115, 0.25, 1.35)) * rng.uniform(0.75, 1.25)
    lit = seen.astype(np.float32) * light
    if rng.random() < 0.25:  # the edge of a shadow
        edge = np.linspace(rng.uniform(-2, 0), rng.uniform(1, 3), view.shape[1], dtype=np.float32)
        lit *= np.where(edge > 0.5, rng.uniform(0.35, 0.7), 1.0).astype(np.float32)[:, None]
    if rng.random() < 0.35:
        lit = cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.4, 2.2))
    return np.clip(lit, 0, 255)
