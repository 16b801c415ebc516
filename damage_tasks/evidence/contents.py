"""What evidence says about inspections: facts with JSON types only, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING, Any

from damage_tasks.decision import counting, final_verdict
from damage_tasks.evidence.picture_files import PictureFiles
from damage_tasks.reviewed_areas import marked_areas
from damage_tasks.telemetry import redacted

if TYPE_CHECKING:
    from damage_tasks.car_history.history import CarHistory
    from damage_tasks.decision import Decision
    from damage_tasks.inspection import Inspection

FORMAT = 1
MAX_EARLIER_PHOTOS = 50
# For all photos together. Comparisons are stored, so the next evidence continues with the others.
MAX_COMPARISON_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Contents:
    """``facts`` refer to ``pictures`` (JPEG) by their names."""

    facts: dict[str, Any]
    pictures: dict[str, bytes] = field(default_factory=dict)


def collect(
    cars: CarHistory,
    files: PictureFiles,
    inspections: Sequence[Inspection],
    *,
    case: dict[str, Any] | None,
    made_by: str,
    made_at: datetime,
) -> Contents:
    """The contents of evidence about ``inspections``, which have their decisions.

    ``cars`` says which damage is new, and ``case`` is the summary of the case that they belong to.
    At most `MAX_EARLIER_PHOTOS` earlier photos of the same car are listed.
    Begins no comparison after `MAX_COMPARISON_SECONDS`; what is not compared says so.
    Pictures that are no longer available are named in the facts.  Secrets in URLs are left out.
    Raises `DatabaseUnavailable`, `DatabaseError`, a `TemporaryError` or `StorageError`.
    """
    contents = Contents({
        "format": FORMAT,
        "software": f"damage-tasks {version('damage-tasks')}",
        "made_by": made_by,
        "made_at": made_at.isoformat(),
        "faces_and_plates_pixelated": files.is_redacted,
        "case": redacted(case),
    })  # fmt: skip
    photos = []
    end = monotonic() + MAX_COMPARISON_SECONDS
    for number, inspection in enumerate(inspections, 1):
        photo = _photo(inspection)
        photo |= files.add(inspection, f"photo {number}", contents.pictures)
        left = end - monotonic()
        earlier = cars.earlier_photos(inspection, at_least=MAX_EARLIER_PHOTOS)
        if left > 0:
            history = cars.compare(inspection, left, earlier=earlier)
        else:
            history = cars.known(inspection, earlier)
        photo["car_history"] = history.to_dict()
        photo["earlier_photos"] = [_earlier(each) for each in earlier[:MAX_EARLIER_PHOTOS]]
        photos.append(redacted(photo))
    contents.facts["billable"] = any(photo["billable"] for photo in photos)
    contents.facts["photos"] = photos
    return contents


def _photo(inspection: Inspection) -> dict[str, Any]:
    result = inspection.to_dict()
    counted = counting(inspection.decisions)
    return {
        **result,
        "decisions": [_decision(each, counted) for each in inspection.decisions],
        "marked_areas": _marked(inspection, counted),
        "counting_verdict": {
            "verdict": result["final_verdict"],
            "by": "person" if counted else "networks",
            "person": counted[-1].person if counted else None,
            "made_at": counted[-1].made_at.isoformat() if counted else result["finished_at"],
        },
    }


def _decision(decision: Decision, counted: Sequence[Decision]) -> dict[str, Any]:
    undone_at = decision.undone_at.isoformat() if decision.undone_at else None
    return {**decision.to_dict(), "undone_at": undone_at, "counts": decision in counted}


def _marked(inspection: Inspection, counted: Sequence[Decision]) -> list[dict[str, Any]]:
    """The areas that the person whose decisions count marked as missed or with another outline."""
    damages = inspection.finding.damages if inspection.finding else ()
    return [
        {
            "number": each.number,
            "person": counted[-1].person,
            "corrects": each.corrects,
            "type": each.area.type,
            "point": each.area.point,
            "bbox": each.area.bbox,
        }
        for each in marked_areas(damages, counted)
    ]


def _earlier(inspection: Inspection) -> dict[str, Any]:
    damages = inspection.finding.damages if inspection.finding else ()
    counted = counting(inspection.decisions)
    return {
        "id": inspection.id,
        "case_id": inspection.case_id,
        "photo": {"url": inspection.photo_url, "sha256": inspection.photo.sha256},
        "finished_at": inspection.finished_at.isoformat() if inspection.finished_at else None,
        "verdict": str(inspection.verdict),
        "final_verdict": final_verdict(str(inspection.verdict), len(damages), counted),
        "reviewed_by": counted[-1].person if counted else None,
        "damages": [{"type": each.type, "severity": str(each.severity)} for each in damages],
    }
