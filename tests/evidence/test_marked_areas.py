"""Evidence shows the damage that people marked, as it shows what the networks found."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from damage_tasks.evidence.signed_evidence import evidence_of_inspection, verified_facts, verify
from damage_tasks.inspection import Reason, Verdict
from damage_tasks.redaction.redactor import open_redactor
from damage_tasks.settings import get_settings
from tests.evidence.conftest import EvidenceArchive
from tests.labelling.conftest import DENT, SCRATCH
from tools.small_redaction_bundle import PLATE, private_photo, write_redaction_bundle

# Made by a version whose evidence had no areas that people marked.
EARLIER_FILE = Path(__file__).parent / "evidence_without_marked_areas.json"
EARLIER_KEY = "c2a591664dd2955dac2efea28e9ecf2f659259086d07ad9951a9ee0551827648"
BOX = [150, 140, 60, 30]
OUTLINE = [[150, 140], [210, 140], [210, 170]]
PICTURE = "photo 1 damage 1 marked by a person"


def photo_and_pictures(file: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The facts about the only photo in an evidence file, and the pictures of the file."""
    document = json.loads(file)
    (photo,) = document["evidence"]["photos"]
    return photo, {name: base64.b64decode(text) for name, text in document["pictures"].items()}


def pixels_of(data: bytes) -> NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    return pixels.astype(np.uint8)


def shows(crop: bytes, photo: bytes, bbox: list[int]) -> bool:
    """Whether ``crop`` is a part of ``photo`` with the whole of ``bbox``, and not much more."""
    part = pixels_of(crop)
    _, score, _, (left, top) = cv2.minMaxLoc(
        cv2.matchTemplate(pixels_of(photo), part, cv2.TM_CCOEFF_NORMED)
    )
    x, y, width, height = bbox
    height_of_crop, width_of_crop = part.shape
    return (
        score > 0.95
        and left <= x <= x + width <= left + width_of_crop
        and top <= y <= y + height <= top + height_of_crop
        and max(part.shape) < 120
    )


@pytest.mark.parametrize(
    ("place", "bbox"),
    [
        ({"point": [200, 60]}, [200, 60, 1, 1]),
        ({"point": [319, 239]}, [319, 239, 1, 1]),
        ({"box": BOX}, BOX),
        ({"polygon": OUTLINE}, BOX),
    ],
)
def test_damage_that_only_a_person_saw_has_a_picture(
    evidence_archive: EvidenceArchive, place: Mapping[str, Any], bbox: list[int]
) -> None:
    evidence_archive.add("car")
    evidence_archive.decide("car", "missed", "김철수", type="scratch", **place)
    made = evidence_archive.evidence("car")
    photo, pictures = photo_and_pictures(made.json)
    assert photo["billable"] is True and photo["crops"] == []
    assert photo["marked_areas"] == [
        {"number": 1, "person": "김철수", "corrects": None, "type": "scratch",
         "point": place.get("point"), "bbox": bbox},
    ]  # fmt: skip
    crop = pictures[PICTURE]
    digest = hashlib.sha256(crop).hexdigest()
    assert photo["marked_crops"] == [{"area": 1, "picture": PICTURE, "sha256": digest}]
    assert shows(crop, evidence_archive.photo_of("car"), bbox)
    assert crop in made.pdf
    for file in (made.json, made.pdf):
        assert not verify(file, {evidence_archive.public_key}).problems


def test_a_corrected_outline_and_missed_damage_follow_the_areas_of_the_networks(
    evidence_archive: EvidenceArchive,
) -> None:
    evidence_archive.add("car", DENT, SCRATCH)
    evidence_archive.decide("car", "missed", point=[60, 200])
    evidence_archive.decide("car", "reshape", damage=2, polygon=OUTLINE)
    made = evidence_archive.evidence("car")
    photo, pictures = photo_and_pictures(made.json)
    assert [(a["number"], a["corrects"], a["type"]) for a in photo["marked_areas"]] == [
        (3, 2, "scratch"), (4, None, None),
    ]  # fmt: skip
    assert set(pictures) == {
        "photo 1 overlay", "photo 1 damage 1", "photo 1 damage 2",
        "photo 1 damage 3 marked by a person", "photo 1 damage 4 marked by a person",
    }  # fmt: skip
    original = evidence_archive.photo_of("car")
    assert shows(pictures["photo 1 damage 3 marked by a person"], original, BOX)
    assert shows(pictures["photo 1 damage 4 marked by a person"], original, [60, 200, 1, 1])
    assert not verify(made.pdf, {evidence_archive.public_key}).problems


@pytest.mark.parametrize(
    ("action", "payload", "picture"),
    [
        ("missed", {"point": [200, 60]}, "photo 1 damage 2 marked by a person"),
        ("missed", {"box": BOX}, "photo 1 damage 2 marked by a person"),
        ("missed", {"polygon": OUTLINE}, "photo 1 damage 2 marked by a person"),
        ("reshape", {"damage": 1, "polygon": OUTLINE}, "photo 1 damage 2 marked by a person"),
    ],
)
def test_an_altered_byte_in_such_a_picture_is_refused(
    evidence_archive: EvidenceArchive, action: str, payload: Mapping[str, Any], picture: str
) -> None:
    evidence_archive.add("car", DENT)
    evidence_archive.decide("car", action, **payload)
    made = evidence_archive.evidence("car")
    crop = photo_and_pictures(made.json)[1][picture]
    altered = crop[:-9] + bytes([crop[-9] ^ 1]) + crop[-8:]
    for file, old, new, part in (
        (made.json, base64.b64encode(crop), base64.b64encode(altered), f"pictures/{picture}"),
        (made.pdf, crop, altered, picture),
    ):
        assert file.count(old) == 1
        found = verify(file.replace(old, new), {evidence_archive.public_key})
        assert found.problems == (f"changed: {part}",)


def test_marks_that_do_not_count_have_no_picture(evidence_archive: EvidenceArchive) -> None:
    evidence_archive.add("car")
    evidence_archive.decide("car", "missed", "ann", point=[200, 60])
    evidence_archive.decide("car", "no_damage", "bob")
    photo, pictures = photo_and_pictures(evidence_archive.evidence("car").json)
    assert photo["marked_areas"] == photo["marked_crops"] == []
    assert set(pictures) == {"photo 1 overlay"}
    assert photo["decisions"][0]["payload"] == {"point": [200, 60]}


def test_a_mark_on_a_photo_that_is_gone_is_still_named(evidence_archive: EvidenceArchive) -> None:
    sha256 = evidence_archive.add("car")
    evidence_archive.decide("car", "missed", box=BOX)
    evidence_archive.lose(f"photos/{sha256}")
    made = evidence_archive.evidence("car")
    photo, _ = photo_and_pictures(made.json)
    assert [area["bbox"] for area in photo["marked_areas"]] == [BOX]
    assert photo["marked_crops"] == []
    assert "original no longer available" in photo["missing"][0]
    assert not verify(made.pdf, {evidence_archive.public_key}).problems


def test_damage_on_a_photo_that_the_networks_did_not_examine_has_a_picture(
    evidence_archive: EvidenceArchive,
) -> None:
    reason = Reason("internal", "the engine failed")
    evidence_archive.add("car", finding=None, verdict=Verdict.FAILED, reason=reason)
    evidence_archive.decide("car", "missed", box=BOX)
    photo, pictures = photo_and_pictures(evidence_archive.evidence("car").json)
    assert photo["missing"] == ["the photo was not examined"]
    assert shows(pictures[PICTURE], evidence_archive.photo_of("car"), BOX)


@pytest.mark.parametrize("is_legible", [False, True])
def test_plates_in_such_a_picture_are_pixelated_as_in_the_others(
    evidence_archive: EvidenceArchive,
    is_legible: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAMAGE_REDACT_BUNDLE", str(write_redaction_bundle(tmp_path / "bundle")))
    get_settings.cache_clear()
    evidence_archive.add("car", data=private_photo())
    evidence_archive.decide("car", "missed", box=PLATE)
    redactor = None if is_legible else open_redactor(get_settings())
    made = evidence_of_inspection(evidence_archive.store, get_settings(), "car", "ann", redactor)
    crop = pixels_of(photo_and_pictures(made.json)[1][PICTURE])
    edges = (np.abs(cv2.Laplacian(crop, cv2.CV_64F)) > 40).mean()
    assert (edges > 0.02) == is_legible


def test_evidence_of_versions_without_marked_areas_stays_valid() -> None:
    file = EARLIER_FILE.read_bytes()
    assert not verify(file, {EARLIER_KEY}).problems
    (photo,) = verified_facts(file, {EARLIER_KEY})["photos"]
    assert "marked_areas" not in photo and photo["decisions"][0]["action"] == "missed"
