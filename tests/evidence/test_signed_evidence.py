"""Evidence about inspections and cases: what it says, and that it is signed."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest
import sqlalchemy as sa

from damage_tasks.errors import EvidenceTooLarge, InspectionNotFound, SettingsError
from damage_tasks.evidence import contents
from damage_tasks.evidence.pdf_file import attached_json
from damage_tasks.evidence.signatures import load_key, new_key, public_key_of
from damage_tasks.evidence.signed_evidence import (
    evidence_name,
    evidence_of_case,
    evidence_of_inspection,
    verify,
)
from damage_tasks.languages.catalogues import Languages
from damage_tasks.settings import get_settings
from tests.evidence.conftest import NOTE, EvidenceArchive
from tests.labelling.conftest import DENT, SCRATCH
from tools.sample_pictures_and_results import BUNDLE, NOW, failed_inspection


def facts_of(archive: EvidenceArchive, name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(archive.evidence(name).json)["evidence"]
    return facts


def test_it_says_what_was_found_who_decided_and_what_counts(decided: EvidenceArchive) -> None:
    facts = facts_of(decided, "car")
    (photo,) = facts["photos"]
    assert facts["billable"] is photo["billable"] is True
    assert photo["photo"]["sha256"] == decided.digest_of("car")
    assert photo["bundle"]["digest"] == BUNDLE.digest
    assert photo["quality"]["verdict"] == "good" and photo["timings_ms"] == {"download": 12.0}
    assert [each["type"] for each in photo["damages"]] == ["dent", "scratch"]
    assert [(d["action"], d["person"], d["counts"]) for d in photo["decisions"]] == [
        ("confirm", "김철수", True), ("no_damage", "김철수", True), ("note", "김철수", False),
    ]  # fmt: skip
    assert photo["decisions"][2]["payload"] == {"text": NOTE}
    assert photo["counting_verdict"]["verdict"] == "damaged"
    assert photo["counting_verdict"]["person"] == "김철수"


def test_damage_without_a_decision_is_not_billable(evidence_archive: EvidenceArchive) -> None:
    evidence_archive.add("car", DENT)
    facts = facts_of(evidence_archive, "car")
    assert facts["billable"] is False
    assert facts["photos"][0]["counting_verdict"] == {
        "verdict": "damaged", "by": "networks", "person": None, "made_at": NOW.isoformat(),
    }  # fmt: skip


def test_each_damaged_area_is_cut_out_of_the_original(decided: EvidenceArchive) -> None:
    document = json.loads(decided.evidence("car").json)
    (photo,) = document["evidence"]["photos"]
    assert [crop["damage"] for crop in photo["crops"]] == [1, 2]
    pictures = {name: base64.b64decode(text) for name, text in document["pictures"].items()}
    assert set(pictures) == {"photo 1 overlay", "photo 1 damage 1", "photo 1 damage 2"}
    for each in (photo["overlay"], *photo["crops"]):
        assert hashlib.sha256(pictures[each["picture"]]).hexdigest() == each["sha256"]
    crop = cv2.imdecode(np.frombuffer(pictures["photo 1 damage 1"], np.uint8), cv2.IMREAD_COLOR)
    assert crop is not None and crop.shape[0] == crop.shape[1]


def test_json_and_pdf_are_valid_and_an_altered_byte_is_refused(decided: EvidenceArchive) -> None:
    made = decided.evidence("car")
    assert attached_json(made.pdf) == made.json
    for file in (made.json, made.pdf):
        assert not verify(file, {decided.public_key}).problems
        for at in range(0, len(file), len(file) // 40):
            altered = file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]
            assert verify(altered, {decided.public_key}).problems


def test_another_key_is_not_accepted(decided: EvidenceArchive) -> None:
    other = public_key_of(load_key(new_key().decode()))
    made = decided.evidence("car")
    for file in (made.json, made.pdf):
        (problem,) = verify(file, {other}).problems
        assert decided.public_key in problem
        (problem,) = verify(file, ()).problems
        assert "--public-key" in problem


def test_without_a_key_there_is_no_evidence(
    decided: EvidenceArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAMAGE_EVIDENCE_KEY")
    get_settings.cache_clear()
    with pytest.raises(SettingsError, match="DAMAGE_EVIDENCE_KEY"):
        decided.evidence("car")


def test_pictures_that_are_gone_are_named(decided: EvidenceArchive) -> None:
    decided.lose("overlays/car.jpg")
    decided.lose(f"photos/{decided.digest_of('car')}")
    (photo,) = facts_of(decided, "car")["photos"]
    assert photo["overlay"] is None and photo["crops"] == []
    overlay, original = photo["missing"]
    assert "overlay cannot be read" in overlay and "original no longer available" in original
    assert not verify(decided.evidence("car").pdf, {decided.public_key}).problems


def test_a_failed_inspection_has_evidence_too(evidence_archive: EvidenceArchive) -> None:
    evidence_archive.store.save(failed_inspection("lost"))
    facts = facts_of(evidence_archive, "lost")
    assert facts["photos"][0]["missing"] == ["the photo was not examined"]


def test_earlier_photos_of_the_car_are_listed(decided: EvidenceArchive) -> None:
    def add(name: str, days: int, **changes: Any) -> None:
        metadata = {"car_id": changes.pop("car", 7)}
        finished_at = NOW - timedelta(days=days)
        decided.add(name, SCRATCH, finished_at=finished_at, metadata=metadata, **changes)

    add("before", 3)
    add("long-before", 30)
    add("later", -1)
    add("another-car", 3, car=8)
    add("same-photo", 2, data=decided.photo_of("car"))
    decided.decide("before", "confirm", "bob")
    earlier = facts_of(decided, "car")["photos"][0]["earlier_photos"]
    assert [each["id"] for each in earlier] == ["before", "long-before"]
    assert earlier[0]["reviewed_by"] == "bob"
    assert earlier[0]["damages"] == [{"type": "scratch", "severity": "minor"}]


@pytest.mark.parametrize("most_compared", [0, 1, 200])
def test_the_cars_earlier_photos_are_looked_up_once(
    decided: EvidenceArchive, monkeypatch: pytest.MonkeyPatch, most_compared: int
) -> None:
    for days in (2, 3):
        finished_at = NOW - timedelta(days=days)
        decided.add(f"before {days}", DENT, finished_at=finished_at, metadata={"car_id": 7})
    monkeypatch.setenv("DAMAGE_HISTORY_PHOTOS", str(most_compared))
    get_settings.cache_clear()
    selects: list[str] = []

    @sa.event.listens_for(decided.store.engine, "before_cursor_execute")
    def record(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM inspections" in statement and "finished_at DESC" in statement:
            selects.append(statement)

    (photo,) = facts_of(decided, "car")["photos"]
    assert len(selects) == 1
    assert [each["id"] for each in photo["earlier_photos"]] == ["before 2", "before 3"]
    assert photo["car_history"]["earlier_photos"] == min(most_compared, 2)


def test_photos_of_the_same_occasion_are_not_earlier_ones(
    evidence_archive: EvidenceArchive,
) -> None:
    for name, minutes in (("now", 0), ("ten minutes before", 10), ("two hours before", 120)):
        finished_at = NOW - timedelta(minutes=minutes)
        evidence_archive.add(name, DENT, finished_at=finished_at, metadata={"car_id": 7})
    (photo,) = facts_of(evidence_archive, "now")["photos"]
    assert [each["id"] for each in photo["earlier_photos"]] == ["two hours before"]
    assert photo["car_history"]["earlier_photos"] == 1


def test_secrets_in_urls_are_left_out(evidence_archive: EvidenceArchive) -> None:
    url = "https://photos.example/car.jpg?X-Amz-Signature=5ec4e7"
    evidence_archive.add("car", DENT, photo_url=url)
    made = evidence_archive.evidence("car")
    assert b"5ec4e7" not in made.json and b"5ec4e7" not in made.pdf


def test_a_case_has_all_of_its_photos(evidence_archive: EvidenceArchive) -> None:
    for name in ("front", "rear"):
        evidence_archive.add(name, DENT, case_id="return-7", metadata={"car_id": 7})
    evidence_archive.decide("rear", "confirm")
    made = evidence_of_case(evidence_archive.store, get_settings(), "return-7", "ann")
    facts = json.loads(made.json)["evidence"]
    assert facts["case"]["case_id"] == "return-7" and facts["billable"] is True
    assert [each["id"] for each in facts["photos"]] == ["front", "rear"]
    assert [each["billable"] for each in facts["photos"]] == [False, True]
    assert all(each["earlier_photos"] == [] for each in facts["photos"])


def test_a_case_with_more_photos_than_allowed_is_refused(evidence_archive: EvidenceArchive) -> None:
    for name in ("front", "rear"):
        evidence_archive.add(name, DENT, case_id="return 7")
    make = partial(evidence_of_case, evidence_archive.store, get_settings(), "return 7", "ann")
    with pytest.raises(EvidenceTooLarge, match="2 photos, more than 1; .* --case 'return 7'"):
        make(max_photos=1)
    assert make(max_photos=2).pdf


def test_what_does_not_exist_has_no_evidence(evidence_archive: EvidenceArchive) -> None:
    with pytest.raises(InspectionNotFound, match="no inspection none"):
        evidence_archive.evidence("none")
    with pytest.raises(InspectionNotFound, match="case none"):
        evidence_of_case(evidence_archive.store, get_settings(), "none", "ann")


def test_file_names_have_no_separators() -> None:
    assert evidence_name("s3://bucket/../a b.jpg") == "evidence-s3-bucket-..-a-b.jpg"
    assert len(evidence_name("x" * 500)) < 120


def test_damage_is_compared_with_earlier_photos(decided: EvidenceArchive) -> None:
    photo = decided.photo_of("car")
    decided.add("before", DENT, data=photo, finished_at=NOW - timedelta(days=2), case_id="r-1",
                metadata={"car_id": 9})  # fmt: skip
    decided.add("after", DENT, metadata={"car_id": 9}, data=photo + b" ", case_id="r-2")
    (shown,) = facts_of(decided, "after")["photos"]
    assert shown["car_history"]["earlier_photos"] == 1
    assert [each["novelty"] for each in shown["car_history"]["damages"]] == ["seen_before"]


def test_all_photos_of_a_case_share_the_time_for_comparisons(
    evidence_archive: EvidenceArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    car = {"car_id": 7}
    for name in ("front", "rear"):
        evidence_archive.add(name, DENT, case_id="return-7", metadata=car)
    evidence_archive.add("before", finished_at=NOW - timedelta(days=2), metadata=car)
    limit = contents.MAX_COMPARISON_SECONDS
    clock = iter([0.0, 0.0, limit + 1])  # at the beginning, and before each photo
    monkeypatch.setattr(contents, "monotonic", lambda: next(clock))
    made = evidence_of_case(evidence_archive.store, get_settings(), "return-7", "ann")
    front, rear = [each["car_history"] for each in json.loads(made.json)["evidence"]["photos"]]
    assert (front["compared"], rear["compared"]) == (1, 0)
    assert front["earlier_photos"] == rear["earlier_photos"] == 1
    assert [each["reason"] for each in rear["damages"]] == ["not_compared"]


def test_a_korean_pdf_is_valid_and_its_facts_are_those_of_the_english_one(
    decided: EvidenceArchive,
) -> None:
    english, korean = [
        evidence_of_inspection(decided.store, get_settings(), "car", "ann", language=language)
        for language in Languages()
    ]
    for made in (english, korean):
        assert not verify(made.pdf, {decided.public_key}).problems
        assert attached_json(made.pdf) == made.json
    facts = [json.loads(made.json) for made in (english, korean)]
    for each in facts:
        del each["evidence"]["made_at"], each["signature"]
    assert facts[0] == facts[1]
