"""Makes signed evidence about one inspection or a case, and verifies it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from damage_tasks.car_history.history import CarHistory
from damage_tasks.errors import EvidenceInvalid, EvidenceTooLarge, InspectionNotFound
from damage_tasks.evidence.contents import collect
from damage_tasks.evidence.json_file import read_facts, verify_json, write_json
from damage_tasks.evidence.pdf_file import JSON_NAME, attached_json, is_pdf, sign_pdf, verify_pdf
from damage_tasks.evidence.pdf_pages import write_pages
from damage_tasks.evidence.picture_files import PictureFiles
from damage_tasks.evidence.signatures import configured_key, key_id_of, public_key_of
from damage_tasks.languages.catalogues import ENGLISH, Language

if TYPE_CHECKING:
    from damage_tasks.evidence.verification import Verification
    from damage_tasks.inspection import Inspection
    from damage_tasks.redaction.redactor import Redactor
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings


@dataclass(frozen=True, slots=True)
class SignedEvidence:
    """The same evidence as a JSON file and as a PDF."""

    json: bytes
    pdf: bytes


def evidence_of_inspection(
    store: Inspections,
    settings: Settings,
    id: str,
    made_by: str,
    redactor: Redactor | None = None,
    *,
    language: Language = ENGLISH,
) -> SignedEvidence:
    """Signed evidence about the inspection ``id``; ``redactor`` pixelates faces and plates.

    The PDF is in ``language``; the JSON file is the same in every language.

    Raises `InspectionNotFound`, `SettingsError` without a key, and what
    `damage_tasks.evidence.contents.collect` raises.
    """
    found = store.find_reviewed(id)
    if found is None:
        raise InspectionNotFound(f"no inspection {id}; it may still be on the queue")
    return _evidence(store, settings, [found], None, made_by, redactor, language)


def evidence_of_case(
    store: Inspections,
    settings: Settings,
    case_id: str,
    made_by: str,
    redactor: Redactor | None = None,
    *,
    max_photos: int | None = None,
    language: Language = ENGLISH,
) -> SignedEvidence:
    """Signed evidence about all photos of a case; raises as `evidence_of_inspection` does.

    Also raises `EvidenceTooLarge` if the case has more than ``max_photos``.
    """
    case = store.find_case(case_id)
    if case is None:
        raise InspectionNotFound(f"no photo of case {case_id} has a verdict yet")
    photos = len(case["inspections"])
    if max_photos is not None and photos > max_photos:
        raise EvidenceTooLarge(
            f"case {case_id} has {photos} photos, more than {max_photos}; "
            f"run `damage-tasks evidence --case {quote(case_id)}`"
        )
    found = [store.find_reviewed(id) for id in case["inspections"]]
    inspections = [each for each in found if each]
    return _evidence(store, settings, inspections, case, made_by, redactor, language)


def evidence_name(id: str) -> str:
    """The name of the files about ``id``, without a suffix."""
    return "evidence-" + re.sub(r"[^\w.-]+", "-", id)[:100]


def _evidence(
    store: Inspections,
    settings: Settings,
    inspections: Sequence[Inspection],
    case: dict[str, Any] | None,
    made_by: str,
    redactor: Redactor | None,
    language: Language,
) -> SignedEvidence:
    key = configured_key(settings)  # before the pictures are read
    contents = collect(
        CarHistory(store, settings),
        PictureFiles(settings, redactor),
        inspections,
        case=case,
        made_by=made_by,
        made_at=datetime.now(UTC).replace(microsecond=0),
    )
    file = write_json(contents, key)
    pages = write_pages(contents, file, key_id_of(public_key_of(key)), language)
    return SignedEvidence(file, sign_pdf(pages, {JSON_NAME: file, **contents.pictures}, key))


def read_evidence(path: Path) -> bytes:
    """The bytes of a file; raises `EvidenceInvalid` if evidence is never of its kind."""
    file = path.read_bytes()
    if not (is_pdf(file) or file.lstrip().startswith(b"{")):
        what = "neither a PDF nor a JSON file" if file else "empty"
        raise EvidenceInvalid(
            f"{path}: not evidence: the file is {what}; give the .pdf or .json file that "
            "`damage-tasks evidence` or the inspectors' page made, as it was received"
        )
    return file


def verify(file: bytes, trusted: Collection[str]) -> Verification:
    """What is wrong with an evidence file, JSON or PDF; nothing if a ``trusted`` key signed it."""
    found = verify_pdf(file) if is_pdf(file) else verify_json(file)
    return found.by_one_of(trusted)


def verified_facts(file: bytes, trusted: Collection[str]) -> dict[str, Any]:
    """The facts in an evidence file, JSON or PDF; raises `EvidenceInvalid` if it is not valid."""
    found = verify(file, trusted)
    if found.problems:
        raise EvidenceInvalid("; ".join(found.problems))
    return read_facts(attached_json(file) if is_pdf(file) else file)
