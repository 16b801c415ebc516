"""Drawn number plates of several countries, seen from the front."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Random = np.random.Generator
Colour = tuple[int, int, int]

HEIGHT_PX = 96
LETTERS = "ABCDEFGHIJKLMNOPRSTUVWXYZ"
DIGITS = "0123456789"
HANGUL = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주하허호바사아자배"
CHINESE = "京沪粤浙苏鲁川渝津冀豫鄂湘皖闽赣"
BLACK, WHITE, BLUE = (25, 25, 25), (235, 238, 238), (150, 60, 20)
YELLOW, GREEN, RED, GREY = (40, 200, 240), (90, 110, 30), (40, 40, 170), (150, 155, 155)


@dataclass(frozen=True, slots=True)
class PlateStyle:
    """Proportions, colours and texts of a kind of plate.

    ``lines`` draws the texts, from top to bottom; in ``#`` goes a digit, in ``@`` a letter, in
    ``%`` a Hangul syllable and in ``$`` a Chinese character.  ``band`` is the colour of a strip at
    the left, and ``heading`` the share of the height that the first line takes.
    """

    aspect: float
    ground: Colour
    ink: Colour
    lines: tuple[str, ...]
    band: Colour | None = None
    heading: float = 0.5


STYLES = (
    # Europe and Turkey
    PlateStyle(4.7, WHITE, BLACK, ("@@ @@ ####",), BLUE),
    PlateStyle(4.7, WHITE, BLACK, ("## @@@ ###",), BLUE),
    PlateStyle(4.7, WHITE, BLACK, ("@@-###-@@",), BLUE),
    PlateStyle(4.7, YELLOW, BLACK, ("@@## @@@",)),
    PlateStyle(4.7, YELLOW, BLACK, ("##-@@-@@",), BLUE),
    PlateStyle(4.7, WHITE, RED, ("@-@@@-###",)),
    PlateStyle(1.4, WHITE, BLACK, ("@@ @", "####"), BLUE),
    # Korea
    PlateStyle(4.7, WHITE, BLACK, ("###% ####",), BLUE),
    PlateStyle(4.7, WHITE, BLACK, ("##% ####",)),
    PlateStyle(2.1, WHITE, BLACK, ("##%####",)),
    PlateStyle(2.0, GREEN, WHITE, ("%% ##", "%####"), heading=0.35),
    PlateStyle(2.0, YELLOW, BLACK, ("%% ##", "%####"), heading=0.35),
    PlateStyle(4.7, (240, 220, 180), BLACK, ("##% ####",), BLUE),
    # The Americas
    PlateStyle(2.0, WHITE, BLUE, ("@@@@@@@@", "@@@ ####"), heading=0.25),
    PlateStyle(2.0, WHITE, BLACK, ("@@@@@", "#@@@###"), heading=0.25),
    PlateStyle(2.0, (200, 225, 240), GREEN, ("@@@@ @@@", "@@@ ###"), heading=0.25),
    PlateStyle(2.0, YELLOW, BLACK, ("@@@@@@", "@@@####"), heading=0.25),
    PlateStyle(3.1, GREY, BLACK, ("@@ - @@@@@@", "@@@ ####"), heading=0.22),
    PlateStyle(3.1, WHITE, BLACK, ("@@@@@@", "@@@#@##"), heading=0.25),
    # India
    PlateStyle(4.2, WHITE, BLACK, ("@@ ## @@ ####",)),
    PlateStyle(4.2, YELLOW, BLACK, ("@@ ## @ ####",)),
    PlateStyle(1.7, WHITE, BLACK, ("@@ ##", "@@ ####")),
    # China, Gulf states, Australia
    PlateStyle(3.1, BLUE, WHITE, ("$@ #####",)),
    PlateStyle(3.3, (150, 210, 140), BLACK, ("$@ ######",)),
    PlateStyle(4.7, WHITE, BLACK, ("@ ## ####",), RED),
    PlateStyle(2.8, BLACK, WHITE, ("@@ ## @@",)),
)  # fmt: skip


def draw_plate(rng: Random) -> Picture:
    """A plate, about `HEIGHT_PX` high (H x W x 3 uint8, BGR), a little dirty or worn."""
    style = STYLES[int(rng.integers(len(STYLES)))]
    height, width = HEIGHT_PX, round(HEIGHT_PX * style.aspect * rng.uniform(0.92, 1.08))
    plate = np.empty((height, width, 3), np.uint8)
    plate[:] = _varied(style.ground, rng)
    left = 4
    if style.band is not None and rng.random() < 0.8:
        left = round(width * (0.09 if style.aspect > 3 else 0.14))
        plate[:, :left] = _varied(style.band, rng)
    ink = _varied(style.ink, rng)
    shares = (style.heading, 1 - style.heading) if len(style.lines) > 1 else (1.0,)
    top = 0.0
    for pattern, share in zip(style.lines, shares, strict=True):
        _write_line(plate, _text(pattern, rng), (left, width - 4), (top, share), ink)
        top += share
    if rng.random() < 0.7:
        cv2.rectangle(plate, (1, 1), (width - 2, height - 2), ink, int(rng.integers(1, 4)))
    for soil in (_with_bolts, _with_frame, _with_dirt, _with_gloss):
        plate = soil(plate, rng)
    return plate


def _varied(colour: Colour, rng: Random) -> Colour:
    values = np.clip(np.array(colour) * rng.uniform(0.85, 1.08) + rng.normal(0, 6, 3), 0, 255)
    return tuple(int(value) for value in values)  # type: ignore[return-value]


def _text(pattern: str, rng: Random) -> str:
    sets = {"#": DIGITS, "@": LETTERS, "%": HANGUL, "$": CHINESE}
    return "".join(str(rng.choice(list(sets[c]))) if c in sets else c for c in pattern)


def _write_line(
    plate: Picture, text: str, sides: tuple[int, int], rows: tuple[float, float], ink: Colour
) -> None:
    """Write ``text`` so that it fills the room between ``sides``; ``rows`` is (top, share)."""
    # The font of OpenCV that has Hangul and Chinese characters; a font object has state.
    font = cv2.FontFace("uni")
    size = 64
    x, y, width, height = cv2.getTextSize((0, 0), text, (0, 0), font, size, 700)
    if width <= 0 or height <= 0:
        return
    canvas = np.zeros((height + 4, width + 4), np.uint8)
    cv2.putText(canvas, text, (2 - x, 2 - y), (255,), font, size, 700)
    room = sides[1] - sides[0] - 8, round(plate.shape[0] * rows[1] * 0.78)
    scaled = cv2.resize(canvas, (max(8, room[0]), max(6, room[1])), interpolation=cv2.INTER_AREA)
    top = round(plate.shape[0] * (rows[0] + rows[1] * 0.11))
    left = sides[0] + 4
    part = plate[top : top + scaled.shape[0], left : left + scaled.shape[1]]
    scaled = scaled[: part.shape[0], : part.shape[1]]
    share = scaled[..., None].astype(np.float32) / 255
    part[:] = (part * (1 - share) + np.array(ink, np.float32) * share).astype(np.uint8)


def _with_bolts(plate: Picture, rng: Random) -> Picture:
    if rng.random() < 0.5:
        width = plate.shape[1]
        for x in (width // 5, width - width // 5):
            cv2.circle(plate, (x, int(rng.integers(8, 20))), 4, (70, 75, 75), -1, cv2.LINE_AA)
    return plate


def _with_frame(plate: Picture, rng: Random) -> Picture:
    if rng.random() < 0.4:
        return plate
    edge, foot = int(rng.integers(3, 9)), int(rng.integers(3, 22))
    shade = int(rng.integers(15, 70))
    framed = cv2.copyMakeBorder(
        plate, edge, foot, edge, edge, cv2.BORDER_CONSTANT, value=(shade, shade, shade)
    )
    return np.asarray(framed, np.uint8)


def _with_dirt(plate: Picture, rng: Random) -> Picture:
    if rng.random() < 0.6:
        return plate
    height, width = plate.shape[:2]
    spots = cv2.resize(rng.random((4, 10)).astype(np.float32), (width, height))
    share = np.clip(spots - rng.uniform(0.3, 0.7), 0, 0.6)[..., None]
    dirt = np.array([70, 95, 110], np.float32) * rng.uniform(0.5, 1.3)
    return np.clip(plate * (1 - share) + dirt * share, 0, 255).astype(np.uint8)


def _with_gloss(plate: Picture, rng: Random) -> Picture:
    if rng.random() < 0.5:
        return plate
    height, width = plate.shape[:2]
    slope = np.linspace(rng.uniform(0.5, 1.0), rng.uniform(0.8, 1.3), width, dtype=np.float32)
    down = np.linspace(rng.uniform(0.8, 1.1), rng.uniform(0.8, 1.1), height, dtype=np.float32)
    return np.clip(plate * (down[:, None] * slope)[..., None], 0, 255).astype(np.uint8)
