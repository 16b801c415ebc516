"""A page that compares two bundles, as one HTML file."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from damage_tasks.errors import OriginalUnavailable, PhotoRejected
from damage_tasks.languages.english_plurals import counted
from damage_tasks.overlay import encode_jpeg, render_overlay
from damage_tasks.photos import PhotoReader
from damage_tasks.photos.originals import read_original
from damage_tasks.production_quality.bundle_comparison import iou_of, most_different
from damage_tasks.redaction.redactor import open_redactor
from damage_tasks.storage.s3 import Bucket

if TYPE_CHECKING:
    from damage_tasks.production_quality.bundle_comparison import BundleComparison
    from damage_tasks.results.bundle_pairs import PhotoPair
    from damage_tasks.settings import Settings

TEMPLATE = Path(__file__).with_suffix(".html")
SHOWN_PHOTOS = 12
SEARCHED_PHOTOS = 120  # for those that are kept
PICTURE_SIDE_PX = 640
QUALITY = 80


def write_page(
    path: Path,
    old: str,
    new: str,
    comparison: BundleComparison,
    pairs: Sequence[PhotoPair],
    settings: Settings,
    *,
    redact: bool | None,
) -> None:
    """Write the page to ``path``, with pictures of kept photos.

    Raises `RedactionUnavailable` if faces and plates cannot be pixelated although they should be.
    """
    redactor = None if redact is False else open_redactor(settings)
    kept = Bucket(settings.require("bucket"))
    reader = PhotoReader(settings)

    def pictures(pair: PhotoPair) -> list[str]:
        """The photo with the findings of both bundles, as data URLs; empty if it is not kept."""
        try:
            data = read_original(pair.photo_sha256, None, kept=kept, photos=reader)
            pixels = reader.decode(data, PICTURE_SIDE_PX).pixels
        except (OriginalUnavailable, PhotoRejected):
            return []
        if redactor is not None:
            pixels = redactor.redact(pixels)
        found = (pair.old, pair.new)
        drawn = [
            render_overlay(
                pixels, each.damages, photo_size=each.photo_size, types=list(comparison.types),
                verdict=each.verdict, damage_score=each.damage_score, side=PICTURE_SIDE_PX,
            )
            for each in found
        ]  # fmt: skip
        encoded = (base64.b64encode(encode_jpeg(each, QUALITY)).decode() for each in drawn)
        return [f"data:image/jpeg;base64,{text}" for text in encoded]

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["counted"] = counted
    page = environment.get_template(TEMPLATE.name).render(
        old=old,
        new=new,
        found=comparison,
        differing=[(pair, iou_of(pair), found) for pair, found in _differing(pairs, pictures)],
        made_at=datetime.now(UTC),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _differing(
    pairs: Sequence[PhotoPair], pictures: Callable[[PhotoPair], list[str]]
) -> list[tuple[PhotoPair, list[str]]]:
    """The photos that differ most, with their pictures.

    Photos without pictures are among them only if fewer than `SHOWN_PHOTOS` have some.
    """
    kept: list[tuple[PhotoPair, list[str]]] = []
    others: list[tuple[PhotoPair, list[str]]] = []
    for pair in most_different(pairs, SEARCHED_PHOTOS):
        found = pictures(pair)
        (kept if found else others).append((pair, found))
        if len(kept) == SHOWN_PHOTOS:
            break
    return [*kept, *others][:SHOWN_PHOTOS]
