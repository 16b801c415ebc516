"""The pages of evidence."""

from __future__ import annotations

import io
import re
import unicodedata

import pytest
from pypdf import PdfReader

from damage_tasks.evidence.contents import Contents
from damage_tasks.evidence.pdf_pages import write_pages
from damage_tasks.languages.catalogues import Languages
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
        "marked_areas": [],
        "marked_crops": [],
        "missing": [],
    }
    return {**values, **changes}


def pages_of(*photos: dict[str, object], language: str = "en") -> PdfReader:
    contents = Contents({**FACTS, "photos": list(photos)}, {"photo 1 overlay": OVERLAY})
    pages = write_pages(contents, b"{}", "0123456789abcdef", Languages()[language])
    return PdfReader(io.BytesIO(pages), strict=True)


def text_of(*photos: dict[str, object], language: str = "en") -> str:
    """The words of the pages, with one space between them."""
    pages = pages_of(*photos, language=language).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


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
    assert "another photo needed, by 김철수, Nov 23, 2026 00:00:00 UTC" in text
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
    assert "ann; No damage; area 2; undone Nov 24, 2026 00:00:00 UTC" in text
    assert "ann; No damage; area 2; counts" in text


@pytest.mark.parametrize(
    ("action", "payload", "text"),
    [
        ("missed", {"point": [7, 9]}, "Missed damage marked; at x 7, y 9; counts"),
        ("missed", {"box": [7, 9, 30, 20], "type": "dent"},
         "Missed damage marked; dent; at x 7, y 9; 30 x 20 pixels; counts"),
        ("missed", {"polygon": [[37, 9], [7, 29], [7, 12]]},
         "Missed damage marked; at x 7, y 9; 30 x 20 pixels; counts"),
        ("reshape", {"damage": 2, "polygon": [[7, 9], [37, 9], [37, 29]]},
         "Outline corrected; area 2; at x 7, y 9; 30 x 20 pixels; counts"),
    ],
)  # fmt: skip
def test_a_decision_names_the_place_that_a_person_marked(
    action: str, payload: dict[str, object], text: str
) -> None:
    decision = {
        "made_at": "2026-11-23", "person": "ann", "action": action, "payload": payload,
        "undone_at": None, "counts": True,
    }  # fmt: skip
    assert f"ann; {text}" in text_of(photo(decisions=[decision]))


def test_areas_that_a_person_marked_are_shown_after_those_of_the_networks() -> None:
    text = text_of(photo(**FULL))
    networks, _, people = text.partition("Damaged areas marked by a person")
    assert "2. dent, minor" in networks
    assert (
        "3. scratch, by 김철수 Outline corrected; area 2 not compared with earlier photos "
        "at x 7, y 9; 30 x 20 pixels" in people
    )
    assert "4. damage, by 김철수 Missed damage marked" in people and "at x 5, y 6" in people
    assert "marked by a person" not in text_of(photo())


def test_earlier_photos_are_listed() -> None:
    earlier = {
        "id": "old", "photo": {"sha256": "b" * 64}, "finished_at": "2026-10-01",
        "final_verdict": None, "reviewed_by": "bob",
        "damages": [{"type": "dent", "severity": "minor"}],
    }  # fmt: skip
    text = text_of(photo(earlier_photos=[earlier, {**earlier, "damages": [], "reviewed_by": None}]))
    assert "another photo needed, by bob; found: dent (minor)" in text
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
    assert "new: An earlier photo shows this place without damage." in text
    assert "Photo of Oct 1, 2026 00:00:00 UTC (old)" in text
    assert "can't tell: No earlier photo clearly shows this part of the car." in text
    assert "not compared with earlier photos" in text


DECISIONS = [
    {"made_at": "2026-11-23T09:05:07.123456+09:00", "person": "김철수", "action": action,
     "payload": payload, "undone_at": None, "counts": True}
    for action, payload in (
        ("confirm", {"damage": 1}), ("no_damage", {}), ("retake", {}), ("note", {"text": "앞문"}),
        ("wrong_type", {"damage": 1, "type": "scratch"}), ("missed", {"point": [1, 2]}),
        ("severity", {"damage": 1, "severity": "severe"}),
        ("reshape", {"damage": 2, "polygon": [[7, 9], [37, 9], [37, 29]]}),
    )
]  # fmt: skip
FULL = {
    "decisions": [*DECISIONS, {**DECISIONS[0], "counts": False, "undone_at": "2026-11-24"}],
    "damages": [{"type": "dent", "severity": "minor", "confidence": 0.8, "area_ratio": 0.0123,
                 "bbox": [1, 2, 3, 4]}] * 2,
    "marked_areas": [
        {"number": 3, "person": "김철수", "corrects": 2, "type": "scratch", "point": None,
         "bbox": [7, 9, 30, 20]},
        {"number": 4, "person": "김철수", "corrects": None, "type": None, "point": [5, 6],
         "bbox": [5, 6, 1, 1]},
    ],
    "car_history": {"damages": [
        {"number": 1, "novelty": "new", "reason": "absent",
         "earlier": {"inspection_id": "1", "finished_at": "2026-10-01"}}]},
    "damage_score": 0.9,
    "decided_by": "damage",
    "quality": {"verdict": "poor", "reasons": ["blurred", "too_dark", "overexposed"]},
    "bundle": {"name": "1", "version": "2.0", "digest": "3"},
    "timings_ms": dict.fromkeys(
        ("download", "decode", "segmentation", "overlay", "persistence", "total"), 12.0),
    "earlier_photos": [
        {"id": "2", "photo": {"sha256": "4"}, "finished_at": "2026-10-01", "final_verdict": "clean",
         "reviewed_by": by, "damages": found}
        for by, found in ((None, []), ("김철수", [{"type": "dent", "severity": "moderate"}]))],
    "missing": ["the photo was not examined"],
    "reason": None,
}  # fmt: skip


def test_a_korean_page_has_no_english_words_besides_names() -> None:
    text = text_of(photo(**FULL), language="ko")
    assert set(re.findall(r"[A-Za-z]{2,}", text)) == {
        "Ed", "FILE", "ID", "SHA", "UTC", "a" * 64, "abcdef", "car", "damage", "evidence",
        "example", "https", "jpg", "json", "ms", "photos", "return", "task", "tasks", "verify",
    }  # fmt: skip
    assert "증빙 자료: 검수 건 return-7" in text
    assert "1. 찌그러짐, 경미" in text and "신뢰도 80%" in text and "1.23%" in text
    assert "2026. 11. 23. 00:05:07 UTC" in text
    assert "김철수; 손상 유형 수정됨; 부위 1; 스크래치; 유효" in text
    assert (
        "새 손상: 이전 사진에는 이 위치에 손상이 없습니다. 2026. 10. 1. 00:00:00 UTC의 사진 (1)"
        in text
    )
    assert "검수자가 표시한 손상 부위 3. 스크래치, 검수자 김철수 윤곽선 수정됨; 부위 2" in text
    assert "4. 손상, 검수자 김철수 누락 손상 표시됨" in text and "위치 x 5, y 6" in text
    assert "김철수; 누락 손상 표시됨; 위치 x 1, y 2; 유효" in text
    assert "U+" not in text


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_pdf_names_its_language(language: str) -> None:
    assert str(pages_of(photo(), language=language).root_object["/Lang"]) == language


def test_an_error_is_explained_in_the_readers_language_with_its_details() -> None:
    reason = {"code": "photo_too_small", "text": "100 px"}
    assert "photo_too_small: 100 px" in text_of(photo(reason=reason))
    korean = text_of(photo(reason=reason), language="ko")
    assert "허용된 화소 수보다 작습니다 (photo_too_small: 100 px)" in korean


def test_korean_that_was_taken_apart_into_letters_is_put_together() -> None:
    text = text_of(photo(metadata={"고객": unicodedata.normalize("NFD", "김철수 쀍")}))
    assert "고객 김철수 쀍" in text and "U+" not in text
