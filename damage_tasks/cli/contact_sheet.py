"""An HTML page of photos and their overlays that can be filtered, sorted and zoomed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from damage_tasks.cli.results_table import describe
from damage_tasks.errors import PhotoRejected
from damage_tasks.inspection import REVIEW_BAND, is_in_band, percent
from damage_tasks.languages.english_plurals import plural
from damage_tasks.photos import decode

OVERLAYS, THUMBNAILS = "overlays", "thumbnails"  # folders next to the page
THUMBNAIL_SIDE_PX = 1024
TEMPLATE = Path(__file__).with_suffix(".html")


@dataclass(frozen=True, slots=True)
class Card:
    """One photo on the page; ``picture`` and ``overlay`` are paths relative to it."""

    name: str
    verdict: str
    types: tuple[str, ...]
    score: float | None
    text: str
    picture: str | None
    overlay: str | None

    @property
    def percent(self) -> str | None:
        """The score in the same form as in the overlay's legend."""
        return None if self.score is None else percent(self.score)

    @property
    def unsure(self) -> bool:
        """Whether a person should check the photo."""
        return self.score is not None and is_in_band(self.score, REVIEW_BAND)


def write_contact_sheet(out: Path, results: Iterable[tuple[str, Path, Mapping[str, Any]]]) -> Path:
    """Write ``out/index.html`` and ``out/thumbnails/*.jpg`` for (name, photo, result) triples.

    Overlays are expected in ``out/overlays/NAME.jpg``.
    """
    (out / THUMBNAILS).mkdir(exist_ok=True)
    results = list(results)
    cards = [_card(out, name, path, result) for name, path, result in results]
    verdicts = Counter(card.verdict for card in cards).most_common()
    photos = plural("photo", len(cards))
    summary = ", ".join(f"{count} {verdict}" for verdict, count in verdicts)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined
    )
    page = out / "index.html"
    page.write_text(
        environment.get_template(TEMPLATE.name).render(
            title=f"{len(cards)} {photos}: {summary}" if cards else "no photos",
            bundle=", ".join(sorted({b for _, _, r in results if (b := _bundle(r))})),
            date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            photos=cards,
            verdicts=verdicts,
            unsure=sum(card.unsure for card in cards),
            types=sorted(Counter(type for card in cards for type in card.types).items()),
        ),
        encoding="utf-8",
    )
    return page


def _card(out: Path, name: str, path: Path, result: Mapping[str, Any]) -> Card:
    small = f"{THUMBNAILS}/{name}.jpg"
    return Card(
        name=name,
        verdict=result["verdict"],
        types=tuple(sorted({damage["type"] for damage in result["damages"]})),
        score=result["damage_score"],
        text=describe(result) or "no damage found",
        picture=small if _thumbnail(path, out / small) else None,
        overlay=f"{OVERLAYS}/{name}.jpg" if result["overlay_url"] else None,
    )


def _bundle(result: Mapping[str, Any]) -> str | None:
    bundle = result["bundle"]
    return f"{bundle['name']} {bundle['version']} ({bundle['digest'][:12]})" if bundle else None


def _thumbnail(source: Path, target: Path) -> bool:
    # Browsers cannot show HEIC, and a page of 12 MP photos would scroll slowly.
    try:
        photo = decode(source.read_bytes(), side=THUMBNAIL_SIDE_PX, min_side=1)
    except (PhotoRejected, OSError):
        return False
    pixels = photo.pixels
    scale = THUMBNAIL_SIDE_PX / max(pixels.shape[:2])
    if scale < 1:
        size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return bool(cv2.imwrite(str(target), pixels))
