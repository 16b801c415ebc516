"""The pictures of inspections on the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from damage_tasks.errors import InspectionNotFound, OriginalUnavailable
from damage_tasks.review.pages import find_inspection, person_of
from damage_tasks.review.pictures import Pictures
from damage_tasks.telemetry.audit_log import audit_log

if TYPE_CHECKING:
    from damage_tasks.results.store import Inspections

PICTURE_CACHE = "private, max-age=300"


class PicturePages:
    """The endpoints of pictures; each one that is given out is a line in the audit log."""

    def __init__(self, store: Inspections, pictures: Pictures) -> None:
        self._store = store
        self._pictures = pictures

    def show_photo(self, request: Request) -> Response:
        """The photo, as a JPEG; nothing if it is gone and was to be loaded ahead."""
        try:
            return self._picture(request, "photo", self._pictures.photo)
        except (InspectionNotFound, OriginalUnavailable):
            if request.headers.get("Purpose") != "prefetch":
                raise
            return Response(status_code=204)

    def show_thumbnail(self, request: Request) -> Response:
        """The photo in a small size."""
        return self._picture(request, "thumbnail", self._pictures.thumbnail)

    def show_overlay(self, request: Request) -> Response:
        """The overlay, for an inspection whose photo is gone."""
        return self._picture(request, "overlay", self._pictures.overlay)

    def _picture(self, request: Request, kind: str, read: Callable[..., bytes]) -> Response:
        inspection, person = find_inspection(self._store, request), person_of(request)
        redacted = self._pictures.is_redacted_for(person)
        data = read(inspection, redacted=redacted)
        audit_log.info(
            "got picture",
            extra={
                "person": person.name,
                "inspection": inspection.id,
                "picture": kind,
                "redacted": redacted,
            },
        )
        return _jpeg(data)


def _jpeg(data: bytes) -> Response:
    # The same address shows inspectors more than it shows viewers.
    headers = {"Cache-Control": PICTURE_CACHE, "Vary": "Cookie, Authorization"}
    return Response(data, media_type="image/jpeg", headers=headers)
