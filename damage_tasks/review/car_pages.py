"""Parts of an inspection's page that are loaded after it: its case, and the car's history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from damage_tasks.car_history.history import CarHistory
from damage_tasks.decision import counting, final_verdict
from damage_tasks.inspection import Inspection
from damage_tasks.results.car_photos import find_case_photos
from damage_tasks.review.background_comparisons import BackgroundComparisons, Progress
from damage_tasks.review.pages import find_inspection, render

if TYPE_CHECKING:
    from jinja2 import Environment

    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings

MAX_CASE_PHOTOS = 48


class CarPages:
    """The endpoints; Starlette runs them in threads, because the database blocks."""

    def __init__(
        self, store: Inspections, settings: Settings, templates: Mapping[str, Environment]
    ) -> None:
        self._store = store
        self._templates = templates
        self._history = CarHistory(store, settings)
        self._comparisons = BackgroundComparisons(self._history)

    def close(self) -> None:
        """Stop comparing photos."""
        self._comparisons.close()

    def show_case(self, request: Request) -> Response:
        """Thumbnails of the other photos of the case."""
        inspection = find_inspection(self._store, request)
        with self._store.transaction() as connection:
            found = find_case_photos(connection, inspection, MAX_CASE_PHOTOS + 1)
        return render(
            self._templates,
            request,
            "case_photos.html",
            inspection=inspection,
            photos=[(each, _final(each)) for each in found[:MAX_CASE_PHOTOS]],
            is_cut=len(found) > MAX_CASE_PHOTOS,
        )

    def show_history(self, request: Request) -> Response:
        """Which damage is new; a first request begins what has not been compared yet."""
        inspection = find_inspection(self._store, request)
        earlier = self._history.earlier_photos(inspection)
        known = self._history.known(inspection, earlier)
        progress = Progress.ENDED
        if not known.is_complete and known.damages:
            if "waiting" not in request.query_params:
                self._comparisons.begin(inspection)
            progress = self._comparisons.progress(inspection.id)
            # It may have ended in between. That the photo itself is not kept is not stored.
            found = self._comparisons.found(inspection.id)
            known = found or self._history.known(inspection, earlier)
        return render(
            self._templates,
            request,
            "car_history.html",
            inspection=inspection,
            damages=inspection.finding.damages if inspection.finding else (),
            history=known,
            is_running=progress is Progress.RUNNING,
            has_failed=progress in (Progress.FAILED, Progress.REFUSED),
        )


def _final(inspection: Inspection) -> str | None:
    damages = len(inspection.finding.damages) if inspection.finding else 0
    return final_verdict(str(inspection.verdict), damages, counting(inspection.decisions))
