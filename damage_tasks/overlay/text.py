"""Text in pictures, in the TrueType font bundled with OpenCV 5."""

from __future__ import annotations

import cv2

from damage_tasks.overlay.outlines import Colour, Pen, Picture

_WEIGHT = 600  # semi-bold: thin strokes vanish when a phone scales the picture down


def write_text(picture: Picture, text: str, at: tuple[int, int], pen: Pen, colour: Colour) -> None:
    """Write ``text`` into ``picture`` with its baseline starting ``at`` (x, y)."""
    cv2.putText(picture, text, at, colour, _font(), pen.text, _WEIGHT)


def text_width(text: str, pen: Pen) -> int:
    """Width of ``text`` in pixels."""
    x, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _font(), pen.text, _WEIGHT)
    return int(x + width)


def _font() -> cv2.FontFace:
    # A font object has state while it writes, so threads must not share one.
    return cv2.FontFace("sans")
