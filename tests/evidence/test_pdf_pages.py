"""The pages of evidence."""

from __future__ import annotations

import io

from pypdf import PdfReader

from damage_tasks.evidence.contents import Contents
from damage_tasks.evidence.pdf_pages import write_pages
from tools.sample_pictures_and_results import jpeg

OVERLAY = jpeg(400, 300)
FACTS = {
    "made_by": "김철수",
    "made_at": "2026-11-22T12:00:00+00:00",
    "software": "damage-tasks 1.0",
    "case": {"case_id": "return-7"},
    "faces_and_plates_pixelated": False,
    "billable": False,
    "photos": [],
}


def photo(**changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "id": "task-1",
        "photo": {"url": "https://photos.example/car.jpg", "sha256": "a" * 64},
        "counting_verdict": {"verdict": None, "person": "김철수", "made_at": "2026-11-23"},
        "billable": False,
        "verdict": "rejected",
        "damage_score": None,
        "reason": {"code": "no_vehicle", "text": "no car"},
        "damages": [],
        "car_history": {"damages": []},
        "quality": None,
        "bundle": None,
        "timings_ms": {},
        "metadata": {},
        "finished_at": "2026-11-22",
        "decisions": [],
        "earlier_photos": [],
        "overlay": {"picture": "photo 1 overlay"},
        "crops": [],
        "missing": [],
    }
    return {**values, **changes}


def pages_of(*photos: dict[str, object]) -> PdfReader:
    contents = Contents({**FACTS, "photos": list(photos)}, {"photo 1 overlay": OVERLAY})
    return PdfReader(io.BytesIO(write_pages(contents, b"{}", "0123456789abcdef")), strict=True)


def text_of(*photos: dict[str, object]) -> str:
    return " ".join(page.extract_text() for page in pages_of(*photos).pages)


def test_each_photo_begins_a_new_page() -> None:
    texts = [page.extract_text() for page in pages_of(photo(), photo(id="task-2")).pages]
    assert len(texts) == 2
    assert "Evidence: case return-7" in texts[0] and "task-1" in texts[0]
    assert "task-2" in texts[1]
    assert all("key 0123456789abcdef" in text for text in texts)


def test_pictures_and_the_attached_file_are_unchanged() -> None:
    reader = pages_of(photo())
    assert reader.attachments["evidence.json"] == [b"{}"]
    assert next(image.data for image in reader.pages[0].images)[:2] == b"\xff\xd8"
    contents = Contents({**FACTS, "photos": [photo()]}, {"photo 1 overlay": OVERLAY})
    assert OVERLAY in write_pages(contents, b"{}", "key")


def test_a_photo_that_must_be_retaken_and_has_no_finding_is_shown() -> None:
    text = text_of(photo(missing=["no copy was kept"], overlay=None))
    assert "another photo is needed, by 김철수" in text
    assert "no_vehicle: no car" in text
    assert "no copy was kept" in text


def test_korean_and_accented_texts_are_shown_and_other_characters_named() -> None:
    decision = {
        "made_at": "2026-11-23", "person": "김철수", "action": "note",
        "payload": {"text": "앞문 긁힘 <b> & Müller 😀"}, "undone_at": None, "counts": False,
    }  # fmt: skip
    text = text_of(photo(decisions=[decision]))
    assert "앞문 긁힘 <b> & Müller U+1F600" in text


def test_an_undone_decision_is_marked() -> None:
    decision = {
        "made_at": "2026-11-23", "person": "ann", "action": "no_damage",
        "payload": {"damage": 2}, "undone_at": "2026-11-24", "counts": False,
    }  # fmt: skip
    text = text_of(photo(decisions=[decision, {**decision, "undone_at": None, "counts": True}]))
    assert "ann; no damage; damage 2; undone 2026-11-24" in text
    assert "ann; no damage; damage 2; counts" in text


def test_earlier_photos_are_listed() -> None:
    earlier = {
        "id": "old", "photo": {"sha256": "b" * 64}, "finished_at": "2026-10-01",
        "final_verdict": None, "reviewed_by": "bob",
        "damages": [{"type": "dent", "severity": "minor"}],
    }  # fmt: skip
    text = text_of(photo(earlier_photos=[earlier, {**earlier, "damages": [], "reviewed_by": None}]))
    assert "another photo needed by bob; found: dent (minor)" in text
    assert "by the networks; found: nothing" in text


def test_damage_is_shown_with_what_earlier_photos_say() -> None:
    damage = {"type": "dent", "severity": "minor", "confidence": 0.8, "area_ratio": 0.01,
              "bbox": [1, 2, 3, 4]}  # fmt: skip
    histories = [
        {"number": 1, "novelty": "new", "reason": "absent",
         "earlier": {"inspection_id": "old", "finished_at": "2026-10-01"}},
        {"number": 2, "novelty": "unknown", "reason": "other_view", "earlier": None},
    ]  # fmt: skip
    text = text_of(photo(damages=[damage] * 3, car_history={"damages": histories}))
    assert "new: absent, in old of 2026-10-01" in text
    assert "can't tell: other view" in text
    assert "not compared with earlier photos" in text
