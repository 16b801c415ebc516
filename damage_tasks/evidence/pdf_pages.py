"""The pages of evidence as a PDF, with the JSON file attached."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize
from xml.sax.saxutils import escape

from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject
from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    Flowable,
    Image,
    KeepTogether,
    PageBreak,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

from damage_tasks.evidence.pdf_file import JSON_NAME
from damage_tasks.evidence.pdf_texts import PdfTexts, Rows
from damage_tasks.languages.catalogues import ENGLISH, Language

if TYPE_CHECKING:
    from damage_tasks.evidence.contents import Contents

FONT = "NanumSquare"  # has English, Cyrillic, Korean, kana and common Chinese characters
FONT_FILE = Path(__file__).parent / "fonts/NanumSquareR.ttf"
OTHER_FONT = "Vera"  # part of ReportLab; has the accented letters of Western Europe
MARGIN = 18 * mm
WIDTH = A4[0] - 2 * MARGIN
OVERLAY_HEIGHT = 110 * mm
CROP_SIDE = 42 * mm

TEXT = ParagraphStyle("text", fontName=FONT, fontSize=9, leading=13, wordWrap="CJK")
SMALL = ParagraphStyle("small", TEXT, fontSize=7.5, leading=11, textColor=HexColor(0x555555))
TITLE = ParagraphStyle("title", TEXT, fontSize=17, leading=24, spaceAfter=6)
HEADING = ParagraphStyle(
    "heading", TEXT, fontSize=12, leading=18, spaceBefore=10, spaceAfter=3, keepWithNext=1
)
NAME_WIDTH = 42 * mm


def write_pages(
    contents: Contents, json_file: bytes, key_id: str, language: Language = ENGLISH
) -> bytes:
    """The PDF of ``contents``, in which pictures and ``json_file`` are unchanged streams.

    ``key_id`` is printed at the foot of each page. Names, metadata and notes stay as they are in
    every ``language``.
    """
    facts = contents.facts
    texts = PdfTexts(language)
    pages = io.BytesIO()
    foot = texts.foot(facts, key_id)

    def draw_foot(canvas: Any, document: Any) -> None:
        canvas.setFont(FONT, 7)
        canvas.drawString(MARGIN, 9 * mm, foot)
        canvas.drawRightString(A4[0] - MARGIN, 9 * mm, str(document.page))

    _fonts()
    rl_config.useA85 = 0  # pictures as they are
    document = SimpleDocTemplate(
        pages,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=texts.title(facts),
        author="damage-tasks",
    )
    document.build(list(_story(contents, texts)), onFirstPage=draw_foot, onLaterPages=draw_foot)
    writer = PdfWriter(clone_from=PdfReader(pages))
    writer.root_object[NameObject("/Lang")] = TextStringObject(language.tag)
    writer.add_attachment(JSON_NAME, json_file)
    attached = io.BytesIO()
    writer.write(attached)
    return attached.getvalue()


@cache
def _fonts() -> dict[str, TTFont]:
    fonts = {FONT: TTFont(FONT, FONT_FILE), OTHER_FONT: TTFont(OTHER_FONT, "Vera.ttf")}
    for font in fonts.values():
        pdfmetrics.registerFont(font)
    return fonts


def _story(contents: Contents, texts: PdfTexts) -> Iterator[Flowable]:
    facts = contents.facts
    yield _paragraph(texts.title(facts), TITLE)
    yield _table(texts.summary(facts))
    for number, photo in enumerate(facts["photos"], 1):
        if number > 1:
            yield PageBreak()
        yield from _photo(number, photo, contents.pictures, texts)


def _photo(
    number: int, photo: Mapping[str, Any], pictures: Mapping[str, bytes], texts: PdfTexts
) -> Iterator[Flowable]:
    yield _paragraph(texts.photo(number), HEADING)
    if photo["overlay"]:
        yield _image(pictures[photo["overlay"]["picture"]], WIDTH, OVERLAY_HEIGHT)
        yield Spacer(0, 3 * mm)
    yield _table(texts.facts(photo))
    if photo["damages"]:
        yield _paragraph(texts.damages, HEADING)
    crops = {crop["damage"]: pictures[crop["picture"]] for crop in photo["crops"]}
    histories = {each["number"]: each for each in photo["car_history"]["damages"]}
    for index, damage in enumerate(photo["damages"], 1):
        yield _damage(crops.get(index), texts.damage(index, damage, histories.get(index)))
    if photo["marked_areas"]:
        yield _paragraph(texts.marked_areas, HEADING)
    marked_crops = {crop["area"]: pictures[crop["picture"]] for crop in photo["marked_crops"]}
    for area in photo["marked_areas"]:
        yield _damage(marked_crops.get(area["number"]), texts.marked_area(area))
    yield _paragraph(texts.decisions, HEADING)
    yield from _rows(map(texts.decision, photo["decisions"]), texts.no_decisions)
    yield _paragraph(texts.earlier_photos, HEADING)
    yield from _rows(map(texts.earlier, photo["earlier_photos"]), texts.no_earlier_photos)


def _rows(rows: Rows, otherwise: str) -> Iterator[Flowable]:
    found = list(rows)
    yield _table(found) if found else _paragraph(otherwise)


def _damage(crop: bytes | None, lines: Sequence[str]) -> Flowable:
    *large, small = lines
    text = [*map(_paragraph, large), _paragraph(small, SMALL)]
    picture = _image(crop, CROP_SIDE, CROP_SIDE) if crop else ""
    widths = [CROP_SIDE + 6 * mm, WIDTH - CROP_SIDE - 6 * mm]
    style = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
    return KeepTogether(Table([[picture, text]], colWidths=widths, style=style, hAlign="LEFT"))


def _table(rows: Rows) -> Flowable:
    cells = [[_paragraph(name, SMALL), _paragraph(str(value))] for name, value in rows]
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
    ]
    return Table(cells, colWidths=[NAME_WIDTH, WIDTH - NAME_WIDTH], style=style, hAlign="LEFT")


def _image(data: bytes, width: float, height: float) -> Image:
    """The JPEG ``data``, as large as fits into ``width`` x ``height``."""
    pixels = ImageReader(io.BytesIO(data)).getSize()
    scale = min(width / pixels[0], height / pixels[1])
    return Image(io.BytesIO(data), pixels[0] * scale, pixels[1] * scale, hAlign="LEFT")


def _paragraph(text: str, style: ParagraphStyle = TEXT) -> Paragraph:
    # The font has no parts of syllables, into which some systems take Korean names apart.
    runs = groupby(normalize("NFC", text), key=_font_of)
    return Paragraph("".join(_run(font, "".join(characters)) for font, characters in runs), style)


def _font_of(character: str) -> str | None:
    """The font that has ``character``; None if there is none."""
    return next(
        (name for name in _fonts() if ord(character) in _fonts()[name].face.charToGlyph), None
    )


def _run(font: str | None, text: str) -> str:
    """``text`` as markup; characters that no font has as their code points, like U+1F600."""
    if font is None:
        return "".join(" " if each.isspace() else f"U+{ord(each):04X}" for each in text)
    return escape(text) if font == FONT else f'<font name="{font}">{escape(text)}</font>'
