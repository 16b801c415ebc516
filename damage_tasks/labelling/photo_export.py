"""Exports examined photos with their labels, for training and for labelling tools."""

from __future__ import annotations

import csv
import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from damage_tasks.decision import counting, final_verdict
from damage_tasks.errors import DownloadFailed, ExportRefused, OriginalUnavailable
from damage_tasks.inspection import Inspection, Verdict
from damage_tasks.labelling.class_masks import draw_class_mask
from damage_tasks.labelling.coco_labels import CocoLabels
from damage_tasks.labelling.export_choice import LEFT_OUT, LabelFormat, PhotoChoice
from damage_tasks.labelling.label_studio_tasks import LabelStudioTasks
from damage_tasks.labelling.labelled_photo import ExportedPhoto, LabelFiles
from damage_tasks.labelling.original_files import OriginalFiles, group_of
from damage_tasks.labelling.socar_labels import SocarLabels
from damage_tasks.results.photo_selection import iter_photos
from damage_tasks.reviewed_areas import Area, reviewed_areas

if TYPE_CHECKING:
    from damage_tasks.redaction.redactor import Redactor
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings

MASKS = "masks"
# Why a photo is left out.
GONE = "original no longer available"
NOT_FETCHED = "original could not be fetched; a later attempt may succeed"
RETAKE = "another photo was requested"
NOT_EXAMINED = "the networks did not examine it"
NO_OUTLINE = "missed damage without an outline"


_FILES: Mapping[LabelFormat, type[LabelFiles]] = {
    LabelFormat.SOCAR: SocarLabels,
    LabelFormat.COCO: CocoLabels,
    LabelFormat.LABEL_STUDIO: LabelStudioTasks,
}


@dataclass(slots=True)
class ExportReport:
    """How many photos were exported, by verdict, and how many were left out, by reason."""

    exported: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


def export_photos(
    store: Inspections,
    settings: Settings,
    folder: Path,
    choice: PhotoChoice,
    format: LabelFormat = LabelFormat.SOCAR,
    *,
    download: bool = False,
    redactor: Redactor | None = None,
    report: ExportReport | None = None,
) -> ExportReport:
    """Write photos, masks and labels to ``folder``, which must be empty or missing.

    SOCAR-style labels are for training, so only photos that people have decided about are exported
    with them.  Photos that cannot be exported are listed in left-out.csv.  With ``download``, a
    photo that was not kept is fetched from its URL again.  ``redactor`` pixelates faces and plates.
    ``report``, if given, is returned; after an error it tells what was written until then.
    Raises `ExportRefused`, `DatabaseUnavailable`, `DatabaseError`, a `TemporaryError` or
    `StorageError`.
    """
    _prepare(folder)
    photos = OriginalFiles(folder, settings, download=download, redactor=redactor)
    labels, report = _FILES[format](folder), report or ExportReport()
    is_for_training = format is LabelFormat.SOCAR
    with (folder / LEFT_OUT).open("w", newline="") as file:
        left_out = csv.writer(file)
        left_out.writerow(("photo_sha256", "inspection_id", "reason", "text"))
        for inspection in _chosen(store, choice, decided=choice.decided or is_for_training):
            areas = _areas_of(inspection)
            reason, text = _why_not(inspection, areas, is_for_training), ""
            if not reason:
                try:
                    exported = _exported(inspection, photos.write(inspection), areas)
                except OriginalUnavailable as error:
                    reason, text = GONE, str(error)
                except DownloadFailed as error:
                    reason, text = NOT_FETCHED, str(error)
            if reason:
                report.left_out[reason] += 1
                left_out.writerow((inspection.photo.sha256, inspection.id, reason, text))
                continue
            _write_mask(folder, exported)
            labels.add(exported)
            report.exported["damaged" if areas else "clean"] += 1
    labels.finish()
    return report


def _prepare(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ExportRefused(
            f"{folder} is not empty: name a new folder, so that no old labels remain"
        )
    (folder / MASKS).mkdir()


def _chosen(store: Inspections, choice: PhotoChoice, *, decided: bool) -> Iterable[Inspection]:
    found: Iterable[Inspection] = iter_photos(store, decided=decided, since=choice.since)
    if choice.hard:
        found = filter(choice.is_hard, found)
    return found if choice.sample is None else heapq.nsmallest(choice.sample, found, key=_random)


def _random(inspection: Inspection) -> bytes:
    # Not the digest itself, whose order draws the photos of the random audit.
    return hashlib.sha256(f"sample {inspection.photo.sha256}".encode()).digest()


def _areas_of(inspection: Inspection) -> tuple[Area, ...]:
    damages = inspection.finding.damages if inspection.finding else ()
    return tuple(reviewed_areas(damages, counting(inspection.decisions)))


def _why_not(inspection: Inspection, areas: Iterable[Area], is_for_training: bool) -> str:
    """Why a photo is left out; empty if it is exported."""
    found = len(inspection.finding.damages) if inspection.finding else 0
    verdict = final_verdict(str(inspection.verdict), found, counting(inspection.decisions))
    if verdict is None:
        return RETAKE
    if verdict not in (Verdict.DAMAGED, Verdict.CLEAN):
        return NOT_EXAMINED
    if is_for_training and any(not area.polygon for area in areas):
        return NO_OUTLINE
    return ""


def _exported(inspection: Inspection, file: str, areas: tuple[Area, ...]) -> ExportedPhoto:
    finding, bundle = inspection.finding, inspection.bundle
    assert finding and bundle and inspection.photo.sha256
    width, height = finding.photo_size
    return ExportedPhoto(
        sha256=inspection.photo.sha256,
        inspection_id=inspection.id,
        file=file,
        width=width,
        height=height,
        areas=areas,
        reviewed=bool(counting(inspection.decisions)),
        labelled_by=f"{bundle.name} {bundle.version}",
        score=finding.damage_score,
        group=group_of(inspection),
    )


def _write_mask(folder: Path, photo: ExportedPhoto) -> None:
    """Write the mask, unless people have not decided or not outlined everything."""
    if photo.reviewed and all(area.polygon for area in photo.areas):
        mask = draw_class_mask(photo.areas, photo.width, photo.height)
        (folder / MASKS / f"{photo.sha256}.png").write_bytes(mask)
