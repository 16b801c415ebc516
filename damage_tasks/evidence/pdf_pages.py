"""The pages of evidence as a PDF, with the JSON file attached."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from pypdf import PdfReader, PdfWriter
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
from damage_tasks.inspection import percent

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
NAME_WIDTH = 34 * mm

Rows = Iterator[tuple[str, Any]]


def write_pages(contents: Contents, json_file: bytes, key_id: str) -> bytes:
    """The PDF of ``contents``, in which pictures and ``json_file`` are unchanged streams.

    ``key_id`` is printed at the foot of each page.
    """
    facts = contents.facts
    pages = io.BytesIO()
    foot = f"damage-tasks, made {facts['made_at']}, key {key_id}"

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
        title=_title(facts),
        author="damage-tasks",
    )
    document.build(list(_story(contents)), onFirstPage=draw_foot, onLaterPages=draw_foot)
    writer = PdfWriter(clone_from=PdfReader(pages))
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


def _title(facts: Mapping[str, Any]) -> str:
    case = facts["case"]
    return f"Evidence: case {case['case_id']}" if case else f"Evidence: {facts['photos'][0]['id']}"


def _story(contents: Contents) -> Iterator[Flowable]:
    facts = contents.facts
    yield _paragraph(_title(facts), TITLE)
    yield _table(_summary(facts))
    for number, photo in enumerate(facts["photos"], 1):
        if number > 1:
            yield PageBreak()
        yield from _photo(number, photo, contents.pictures)


def _summary(facts: Mapping[str, Any]) -> Rows:
    yield "made by", facts["made_by"]
    yield "made at", facts["made_at"]
    yield "software", facts["software"]
    if facts["faces_and_plates_pixelated"]:
        yield "pictures", "faces and plates are pixelated, as far as they were found"
    yield (
        "billable",
        "yes: a person has decided that there is damage"
        if facts["billable"]
        else "no: damage counts as billable only after a person's decision",
    )
    if facts["case"]:
        yield "photos", len(facts["photos"])
    yield (
        "signature",
        "Ed25519 over all bytes of this file; check it with: damage-tasks evidence verify FILE. "
        f"The attached {JSON_NAME} has the same facts and pictures.",
    )


def _photo(
    number: int, photo: Mapping[str, Any], pictures: Mapping[str, bytes]
) -> Iterator[Flowable]:
    yield _paragraph(f"Photo {number}", HEADING)
    if photo["overlay"]:
        yield _image(pictures[photo["overlay"]["picture"]], WIDTH, OVERLAY_HEIGHT)
        yield Spacer(0, 3 * mm)
    yield _table(_facts(photo))
    if photo["damages"]:
        yield _paragraph("Damaged areas found by the networks", HEADING)
    crops = {crop["damage"]: pictures[crop["picture"]] for crop in photo["crops"]}
    histories = {each["number"]: each for each in photo["car_history"]["damages"]}
    for index, damage in enumerate(photo["damages"], 1):
        yield _damage(index, damage, crops.get(index), histories.get(index))
    yield _paragraph("Decisions of people", HEADING)
    yield (
        _table(map(_decision_row, photo["decisions"])) if photo["decisions"] else _paragraph("none")
    )
    yield _paragraph("Earlier photos of the car", HEADING)
    yield (
        _table(map(_earlier_row, photo["earlier_photos"]))
        if photo["earlier_photos"]
        else _paragraph("none known")
    )


def _facts(photo: Mapping[str, Any]) -> Rows:
    counting, quality, bundle = photo["counting_verdict"], photo["quality"], photo["bundle"]
    yield "inspection", photo["id"]
    yield "photo", photo["photo"]["url"]
    yield "SHA-256 of the photo", photo["photo"]["sha256"]
    by = counting["person"] or "the networks; no person has decided"
    verdict = counting["verdict"] or "another photo is needed"
    yield "verdict that counts", f"{verdict}, by {by}, {counting['made_at']}"
    yield "billable", "yes" if photo["billable"] else "no"
    score = photo["damage_score"]
    shown = f", score {percent(score)}, by {photo['decided_by']}" if score is not None else ""
    yield "verdict of the networks", f"{photo['verdict']}{shown}"
    if photo["reason"]:
        yield "reason", f"{photo['reason']['code']}: {photo['reason']['text']}"
    if quality:
        yield "quality", ", ".join([quality["verdict"], *quality["reasons"]])
    if bundle:
        yield "bundle", f"{bundle['name']} {bundle['version']}, digest {bundle['digest']}"
    times = (f"{name} {ms:.0f}" for name, ms in photo["timings_ms"].items())
    yield "timings in ms", ", ".join(times)
    yield "examined at", photo["finished_at"]
    yield from photo["metadata"].items()
    for problem in photo["missing"]:
        yield "missing", problem


def _damage(
    number: int, damage: Mapping[str, Any], crop: bytes | None, history: Mapping[str, Any] | None
) -> Flowable:
    x, y, width, height = damage["bbox"]
    text = [
        _paragraph(f"{number}. {damage['type']}, {damage['severity']}"),
        _paragraph(f"confidence {percent(damage['confidence'])}"),
        _paragraph(f"{damage['area_ratio']:.2%} of the photo"),
        _paragraph(_history_text(history)),
        _paragraph(f"at x {x}, y {y}; {width} x {height} pixels", SMALL),
    ]
    picture = _image(crop, CROP_SIDE, CROP_SIDE) if crop else ""
    widths = [CROP_SIDE + 6 * mm, WIDTH - CROP_SIDE - 6 * mm]
    style = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
    return KeepTogether(Table([[picture, text]], colWidths=widths, style=style, hAlign="LEFT"))


def _history_text(history: Mapping[str, Any] | None) -> str:
    if history is None:
        return "not compared with earlier photos"
    earlier = history["earlier"]
    shown = f", in {earlier['inspection_id']} of {earlier['finished_at']}" if earlier else ""
    novelty = {"new": "new", "seen_before": "seen before"}.get(history["novelty"], "can't tell")
    return f"{novelty}: {history['reason'].replace('_', ' ')}{shown}"


def _decision_row(decision: Mapping[str, Any]) -> tuple[str, Any]:
    payload = decision["payload"]
    details = ", ".join(
        f"{name} {payload[name]}"
        for name in ("damage", "type", "severity", "text")
        if name in payload
    )
    state = f"undone {decision['undone_at']}" if decision["undone_at"] else ""
    state = "counts" if decision["counts"] else state
    parts = (decision["person"], decision["action"].replace("_", " "), details, state)
    return decision["made_at"], "; ".join(part for part in parts if part)


def _earlier_row(earlier: Mapping[str, Any]) -> tuple[str, Any]:
    found = ", ".join(f"{each['type']} ({each['severity']})" for each in earlier["damages"])
    verdict = earlier["final_verdict"] or "another photo needed"
    by = earlier["reviewed_by"] or "the networks"
    return (
        earlier["finished_at"],
        f"{verdict} by {by}; found: {found or 'nothing'}; inspection {earlier['id']}; "
        f"SHA-256 {earlier['photo']['sha256']}",
    )


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
    runs = groupby(text, key=_font_of)
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
