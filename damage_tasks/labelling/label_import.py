"""Imports what people drew in labelling tools, as their decisions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from damage_tasks.decision import Action, decisions_of
from damage_tasks.errors import DecisionInvalid, InspectionNotFound, LabelsInvalid
from damage_tasks.labelling.coco_reader import is_coco, read_coco
from damage_tasks.labelling.label_differences import are_same, decisions_for, is_as_exported
from damage_tasks.labelling.label_studio_reader import is_label_studio, read_tasks
from damage_tasks.labelling.labelled_photo import ImportedLabel
from damage_tasks.results.photo_selection import load_photos
from damage_tasks.review.people import MAX_NAME_CHARACTERS, is_valid_name
from damage_tasks.review.recording import replace_decisions
from damage_tasks.reviewed_areas import Area, reviewed_areas

if TYPE_CHECKING:
    from damage_tasks.inspection import Inspection
    from damage_tasks.results.store import Inspections

FORMATS = (
    "nothing was imported: export the labels again, from CVAT as COCO 1.0 or from Label Studio as "
    "JSON (not JSON-MIN)"
)
CORRECT_IT = (
    "nothing was imported: correct this in the labelling tool, export the labels again and import "
    "that file"
)
# Why a label is not imported.
NO_DIGEST = "its name does not contain the digest of a photo"
NOT_EXAMINED = "no examined photo has this digest"
OTHER_SIZE = "its size is not that of the examined photo"
TWICE = "it is labelled more than once in the file"
# What was done with a photo.
DECIDED = "decided"
DECIDED_BEFORE = "decided before"
AS_EXPORTED = "as exported"


@dataclass(slots=True)
class ImportReport:
    """What was done with how many photos, and the decisions by action.

    ``not_imported`` has the names of the other photos, with the reasons.
    """

    photos: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    not_imported: list[tuple[str, str]] = field(default_factory=list)

    @property
    def knows_no_photo(self) -> bool:
        """Whether the labels are about photos that were not examined here, and about no other."""
        problems = {problem for _, problem in self.not_imported}
        return bool(problems) and not self.photos and problems <= {NO_DIGEST, NOT_EXAMINED}


def read_labels(path: Path, *, empty_is_clean: bool = False) -> list[ImportedLabel]:
    """The labels in a file of COCO or of Label Studio; see the readers of both.

    Raises `LabelsInvalid`, which names the file and the entry that is wrong.
    """
    try:
        document = json.loads(_text(path))
    except RecursionError:
        raise LabelsInvalid(f"{path}: lists and objects are nested too deeply; {FORMATS}") from None
    except ValueError as error:
        raise LabelsInvalid(f"{path}: not JSON: {error}; {FORMATS}") from None
    try:
        if is_coco(document):
            return read_coco(document, empty_is_clean=empty_is_clean)
        if is_label_studio(document):
            return read_tasks(document)
    except LabelsInvalid as error:
        raise LabelsInvalid(f"{path}: {error}; {CORRECT_IT}") from None
    raise LabelsInvalid(f"{path}: neither COCO nor an export of Label Studio as JSON; {FORMATS}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelsInvalid(
            f"{path}: not text in UTF-8, from byte {error.start} on; {FORMATS}"
        ) from None
    except OSError as error:
        raise LabelsInvalid(f"{path}: cannot be read: {error.strerror}") from None


def import_labels(
    store: Inspections,
    labels: Iterable[ImportedLabel],
    person: str,
    *,
    confirm_unchanged: bool = False,
) -> ImportReport:
    """Store ``labels`` as decisions of ``person``; labels that are stored already change nothing.

    A label that came back as it was exported is a decision if somebody submitted it, or with
    ``confirm_unchanged``: otherwise nobody may have looked at the photo.
    If this person has decided differently about a photo before, that is undone.  Raises
    `DecisionInvalid` if the name cannot be used, `DatabaseUnavailable` or `DatabaseError`.
    """
    if not is_valid_name(person):
        raise DecisionInvalid(
            f"the name of a person must have 1 to {MAX_NAME_CHARACTERS} characters"
        )
    report, seen = ImportReport(), set[str]()
    for label in labels:
        digest = label.sha256
        problem = label.problem or (NO_DIGEST if digest is None else "")
        problem = problem or (TWICE if digest in seen else "")
        if not problem and digest is not None:
            seen.add(digest)
            confirms = confirm_unchanged or label.submitted
            problem = _import(store, label, digest, person, report, confirms=confirms)
        if problem:
            report.not_imported.append((label.name, problem))
    return report


def _import(
    store: Inspections,
    label: ImportedLabel,
    digest: str,
    person: str,
    report: ImportReport,
    *,
    confirms: bool,
) -> str:
    """Store one label; returns why that is impossible, or an empty text."""
    with store.transaction() as connection:
        found = load_photos(connection, [digest])
    if not found or found[0].finding is None:
        return NOT_EXAMINED
    size = found[0].finding.photo_size
    if label.size is not None and tuple(label.size) != size:
        return OTHER_SIZE
    if _is_stored(found[0], label.areas, person):
        report.photos[DECIDED_BEFORE] += 1
        return ""
    if not confirms and is_as_exported(found[0], label.areas):
        report.photos[AS_EXPORTED] += 1
        return ""
    made = decisions_for(found[0], label.areas, confirms=confirms)
    try:
        replace_decisions(store, found[0], person, made)
    except InspectionNotFound:  # erased in the meantime
        return NOT_EXAMINED
    except DecisionInvalid as error:
        return str(error)
    report.photos[DECIDED] += 1
    report.decisions.update(str(action) for action, _ in made)
    return ""


def _is_stored(inspection: Inspection, areas: Sequence[Area], person: str) -> bool:
    """Whether the person's own decisions say the same."""
    own = decisions_of(inspection.decisions, person)
    if not own or own[-1].action is Action.RETAKE:
        return False
    damages = inspection.finding.damages if inspection.finding else ()
    return are_same(reviewed_areas(damages, own), areas)
