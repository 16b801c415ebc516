"""Signed evidence about an inspection or a case, as files to download."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response

from damage_tasks.errors import SettingsError
from damage_tasks.evidence.signatures import configured_key
from damage_tasks.evidence.signed_evidence import (
    evidence_name,
    evidence_of_case,
    evidence_of_inspection,
)
from damage_tasks.review.request_language import language_of
from damage_tasks.telemetry.audit_log import audit_log

if TYPE_CHECKING:
    from starlette.requests import Request

    from damage_tasks.evidence.signed_evidence import SignedEvidence
    from damage_tasks.results.store import Inspections
    from damage_tasks.review.pictures import Pictures
    from damage_tasks.settings import Settings

MAX_CASE_PHOTOS = 50  # their pictures are in memory until the files are complete

logger = logging.getLogger(__name__)


class EvidencePages:
    """The endpoints of evidence; each is made when it is requested, and the log says by whom.

    ``can_sign`` is whether there was a usable key at the start. An unusable one is logged.
    """

    def __init__(self, store: Inspections, pictures: Pictures, settings: Settings) -> None:
        self._store = store
        self._pictures = pictures
        self._settings = settings
        self.can_sign = _has_usable_key(settings)

    def of_inspection(self, request: Request) -> Response:
        """Evidence about one inspection."""
        id, name = request.path_params["id"], request.state.person.name
        made = evidence_of_inspection(
            self._store,
            self._settings,
            id,
            name,
            self._pictures.redactor,
            language=language_of(request),
        )
        audit_log.info("made evidence", extra={"person": name, "inspection": id})
        return _file(request, id, made)

    def of_case(self, request: Request) -> Response:
        """Evidence about all photos of a case, of which there are at most `MAX_CASE_PHOTOS`."""
        id, name = request.path_params["id"], request.state.person.name
        made = evidence_of_case(
            self._store,
            self._settings,
            id,
            name,
            self._pictures.redactor,
            max_photos=MAX_CASE_PHOTOS,
            language=language_of(request),
        )
        audit_log.info("made evidence", extra={"person": name, "case": id})
        return _file(request, f"case-{id}", made)


def _has_usable_key(settings: Settings) -> bool:
    if not settings.evidence_key:
        return False
    try:
        configured_key(settings)
    except SettingsError as error:
        logger.error(
            "the page offers no evidence until it is restarted with a valid key: %s", error
        )
        return False
    return True


def _file(request: Request, id: str, made: SignedEvidence) -> Response:
    suffix = "pdf" if request.url.path.endswith(".pdf") else "json"
    name = quote(f"{evidence_name(id)}.{suffix}")
    return Response(
        made.pdf if suffix == "pdf" else made.json,
        media_type=f"application/{suffix}",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )
