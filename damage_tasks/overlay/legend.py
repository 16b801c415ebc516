"""The legend below the photo: verdict, score and every damage type found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from damage_tasks.damage import Damage, Severity
from damage_tasks.inspection import Verdict, percent
from damage_tasks.overlay.outlines import (
    DARK_COLOUR,
    LIGHT_COLOUR,
    PALETTE,
    Colour,
    Pen,
    Picture,
    Style,
    style_of,
)
from damage_tasks.overlay.text import text_width, write_text

BADGE_COLOURS: Mapping[Verdict, Colour] = {Verdict.DAMAGED: PALETTE[1], Verdict.CLEAN: PALETTE[6]}
DEFAULT_BADGE_COLOUR: Colour = (110, 110, 110)


@dataclass(frozen=True, slots=True)
class _Entry:
    text: str
    style: Style | None = None
    badge: Colour | None = None

    def width(self, pen: Pen) -> int:
        beside = 3.5 * pen.text if self.style else pen.text if self.badge else 0
        return round(text_width(self.text, pen) + beside)


def legend_strip(
    damages: Sequence[Damage],
    class_ids: Mapping[str, int],
    verdict: Verdict,
    damage_score: float,
    pen: Pen,
    width: int,
) -> Picture:
    """Draw the legend, ``width`` pixels wide and as high as needed: uint8 BGR."""
    pad, line_height = round(0.5 * pen.text), round(1.7 * pen.text)
    places: list[tuple[int, int, _Entry]] = []
    x, row = pad, 0
    for entry in _entries(damages, class_ids, verdict, damage_score):
        if x > pad and x + entry.width(pen) > width - pad:
            x, row = pad, row + 1
        places.append((x, round((row + 0.5) * line_height) + pad // 2, entry))
        x += entry.width(pen) + 2 * pad
    strip = np.full(((row + 1) * line_height + pad, width, 3), DARK_COLOUR, np.uint8)
    for x, middle, entry in places:
        _draw(strip, x, middle, entry, pen)
    return strip


def _entries(
    damages: Sequence[Damage], class_ids: Mapping[str, int], verdict: Verdict, damage_score: float
) -> list[_Entry]:
    entries = [_Entry(verdict.upper(), badge=BADGE_COLOURS.get(verdict, DEFAULT_BADGE_COLOUR))]
    if not damages:
        found = "no damage found" if verdict is Verdict.CLEAN else "no damage outlined"
        entries.append(_Entry(found))
    entries.append(_Entry(f"damage score {percent(damage_score)}"))
    for name, class_id in sorted(class_ids.items(), key=lambda item: item[1]):
        counts = Counter(damage.severity for damage in damages if damage.type == name)
        if counts:
            worst_first = [s for s in reversed(Severity) if counts[s]]
            listed = ", ".join(f"{counts[s]} {s}" if len(counts) > 1 else s for s in worst_first)
            text = f"{counts.total()} \N{MULTIPLICATION SIGN} {name}: {listed}"
            entries.append(_Entry(text, style=style_of(class_id)))
    return entries


def _draw(strip: Picture, x: int, middle: int, entry: _Entry, pen: Pen) -> None:
    if entry.style:
        ends = np.array([[x + pen.line, middle], [x + 3 * pen.text - pen.line, middle]], float)
        pen.draw(strip, [(ends, entry.style)], closed=False)
        x += round(3.5 * pen.text)
    elif entry.badge:
        half = round(0.7 * pen.text)
        corner = x + entry.width(pen), middle + half
        cv2.rectangle(strip, (x, middle - half), corner, entry.badge, -1)
        x += round(0.5 * pen.text)
    write_text(strip, entry.text, (x, middle + round(0.36 * pen.text)), pen, LIGHT_COLOUR)
