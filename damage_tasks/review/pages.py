"""The pages: work lists, one inspection, and what is posted from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from damage_tasks.damage import Severity
from damage_tasks.decision import Action, counting, final_verdict
from damage_tasks.errors import DecisionInvalid, InspectionNotFound
from damage_tasks.inspection import Inspection, Verdict
from damage_tasks.production_quality.agreement import MIN_PHOTOS
from damage_tasks.results import work_lists
from damage_tasks.results.decisions import decided_counts
from damage_tasks.results.list_counts import Count, count, count_filtered
from damage_tasks.results.work_lists import Selection, WorkList
from damage_tasks.review.days import midnight
from damage_tasks.review.page_security import csrf_token, own_path
from damage_tasks.review.people import Person, Role
from damage_tasks.review.pictures import Pictures
from damage_tasks.review.recording import record, undo_last
from damage_tasks.review.request_language import language_of
from damage_tasks.review.selections import DEFAULT_LIST, ListAddress, inspection_path
from damage_tasks.reviewed_areas import drawn_by_people
from damage_tasks.telemetry.audit_log import audit_log

if TYPE_CHECKING:
    from jinja2 import Environment
    from sqlalchemy.engine import Connection

    from damage_tasks.production_quality.latest_drift import LatestDrift
    from damage_tasks.production_quality.latest_report import LatestReport
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings

PAGE_LENGTH = 50
DAMAGE_TYPES = ("dent", "scratch", "spacing", "breakage")
# After these, the next photo is shown; after the others, there may be more to correct.
ENDING = frozenset({Action.CONFIRM, Action.NO_DAMAGE, Action.RETAKE})


class Pages:
    """The endpoints; Starlette runs them in threads, because the database blocks."""

    def __init__(
        self,
        store: Inspections,
        pictures: Pictures,
        settings: Settings,
        templates: Mapping[str, Environment],
        quality: LatestReport,
        drift: LatestDrift,
        *,
        offers_evidence: bool,
    ) -> None:
        self._store = store
        self._pictures = pictures
        self._settings = settings
        self._templates = templates
        self._quality = quality
        self._drift = drift
        self._offers_evidence = offers_evidence

    def show_list(self, request: Request) -> Response:
        """A page of a work list."""
        name = request.path_params.get("name", str(DEFAULT_LIST))
        address = ListAddress.of(name, request.query_params)
        selection = self._selection(address)
        person = person_of(request)
        is_admin = person.role is Role.ADMIN
        with self._store.transaction() as connection:
            rows = work_lists.find_page(
                connection, selection, PAGE_LENGTH + 1, request.query_params.get("after")
            )
            shown = rows[:PAGE_LENGTH]
            taken = work_lists.find_assignments(connection, [row.id for row in shown])
            # With filters, counting takes longer, so the page asks for it afterwards.
            counts = None if address.filters else self._counts(connection, address, count)
            decided = decided_counts(connection, midnight(self._settings.time_zone))
        return self._page(
            request,
            "list.html",
            address=address,
            rows=shown,
            taken=taken,
            lists=list(WorkList),
            counts=counts,
            # Only admins see how much others have done.
            decided=[each for each in decided if is_admin or each[0] == person.name],
            verdicts=list(Verdict),
            types=DAMAGE_TYPES,
            severities=list(Severity),
            following=shown[-1].id if len(rows) > PAGE_LENGTH else None,
        )

    def show_counts(self, request: Request) -> Response:
        """The names of the lists with the numbers of their inspections under the filters."""
        address = ListAddress.of(request.path_params["name"], request.query_params)
        with self._store.transaction() as connection:
            counts = self._counts(connection, address, count_filtered)
        return self._page(
            request, "list_names.html", address=address, lists=list(WorkList), counts=counts
        )

    def show_next(self, request: Request) -> Response:
        """Lead to the next inspection of a list, which is then this person's for some minutes."""
        address = ListAddress.of(request.path_params["name"], request.query_params)
        selection = self._selection(address)
        after = request.query_params.get("after")
        person = person_of(request)
        with self._store.transaction() as connection:
            if person.is_inspector:
                id = work_lists.assign_next(connection, selection, person.name, after)
            else:
                id = work_lists.peek_next(connection, selection, person.name, after)
        if id is None:
            return self._page(request, "end.html", address=address, is_start=after is None)
        did = request.query_params.get("did")
        return _see(address.address(inspection_path(id), **({"did": did} if did else {})))

    def show_inspection(self, request: Request) -> Response:
        """One inspection with everything that is known about it."""
        inspection = self._find(request)
        address = ListAddress.of(
            request.query_params.get("list", str(WorkList.ALL)), request.query_params
        )
        person = person_of(request)
        with self._store.transaction() as connection:
            if person.is_inspector:
                work_lists.assign(connection, inspection.id, person.name)
            taken = work_lists.find_assignments(connection, [inspection.id])
            following = work_lists.peek_next(
                connection, self._selection(address), person.name, inspection.id
            )
        is_redacted = self._pictures.is_redacted_for(person)
        holder = taken.get(inspection.id)
        damages = inspection.finding.damages if inspection.finding else ()
        counted = counting(inspection.decisions)
        audit_log.info("looked at", extra={"person": person.name, "inspection": inspection.id})
        return self._page(
            request,
            "inspection.html",
            inspection=inspection,
            can_make_evidence=person.is_inspector and self._offers_evidence,
            damages=damages,
            has_history=self._settings.history_photos > 0,
            has_overlay=inspection.finding is not None and inspection.finding.overlay_url,
            address=address,
            following=following,
            holder=holder if holder and holder.person != person.name else None,
            final=final_verdict(str(inspection.verdict), len(damages), counted),
            counted=counted,
            marks=drawn_by_people(damages, counted),
            types=sorted({*DAMAGE_TYPES, *(damage.type for damage in damages)}),
            severities=list(Severity),
            did=_action(request.query_params.get("did")),
            is_redacted=is_redacted,
            has_picture=not is_redacted or self._pictures.redaction_works,
        )

    def show_quality(self, request: Request) -> Response:
        """Precision and recall in production, and what goes to people."""
        report = self._quality.get()
        return self._page(request, "quality.html", report=report, least_photos=MIN_PHOTOS)

    def show_drift(self, request: Request) -> Response:
        """Whether the photos of the last 24 hours look like those of the reference."""
        return self._page(request, "drift.html", history=self._drift.get(), settings=self._settings)

    def decide(self, request: Request) -> Response:
        """Store a decision, and lead to the next inspection or back to this one."""
        form, person = request.state.form, person_of(request)
        id = request.path_params["id"]
        address = ListAddress.of_path(form.get("list", str(WorkList.ALL)))
        action = form.get("action", "")
        payload = _payload(form)
        decision = record(self._store, id, person.name, action, payload, _seconds(form))
        stays = decision.action not in ENDING or "damage" in payload
        if stays:
            return _see(address.address(inspection_path(id), did=action))
        with self._store.transaction() as connection:
            work_lists.release(connection, id, person.name)
        path = f"/lists/{address.work_list}/next"
        return _see(address.address(path, after=id, did=action))

    def undo(self, request: Request) -> Response:
        """Undo this person's last decision and lead to its inspection."""
        form = request.state.form
        address = ListAddress.of_path(form.get("list", str(WorkList.ALL)))
        decision = undo_last(self._store, person_of(request).name)
        if decision is None:
            return _see(address.path)
        return _see(address.address(inspection_path(decision.inspection_id), did="undo"))

    def _counts(
        self,
        connection: Connection,
        address: ListAddress,
        count: Callable[[Connection, Selection], Count | None],
    ) -> dict[WorkList, Count | None]:
        return {
            each: count(connection, self._selection(address.with_list(each))) for each in WorkList
        }

    def _selection(self, address: ListAddress) -> Selection:
        return address.selection(self._settings, self._quality.plans.current().error_costs)

    def _find(self, request: Request) -> Inspection:
        return find_inspection(self._store, request)

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        return render(self._templates, request, template, status, **values)


def find_inspection(store: Inspections, request: Request) -> Inspection:
    """The inspection in the path of ``request``, with decisions; raises `InspectionNotFound`."""
    id = request.path_params["id"]
    found = store.find_reviewed(id)
    if found is None:
        raise InspectionNotFound(f"no inspection {id}")
    return found


def render(
    templates: Mapping[str, Environment],
    request: Request,
    template: str,
    status: int = 200,
    **values: Any,
) -> Response:
    """The template ``template`` as a response, in the language of the request."""
    state = request.app.state
    language = language_of(request)
    text = templates[language.tag].get_template(template).render(
        person=getattr(request.state, "person", None), csrf=csrf_token(request),
        can_sign_out=state.can_sign_out, language=language, languages=list(state.languages),
        here=own_path(request) if request.method == "GET" else "/", **values,
    )  # fmt: skip
    return HTMLResponse(text, status)


def person_of(request: Request) -> Person:
    """Who has signed in."""
    person: Person = request.state.person
    return person


def _see(path: str) -> Response:
    return RedirectResponse(path, 303)


def _action(text: str | None) -> str | None:
    return text if text == "undo" or text in [str(action) for action in Action] else None


def _seconds(form: Any) -> float | None:
    try:
        return float(form.get("seconds") or "")
    except ValueError:
        return None


def _payload(form: Any) -> dict[str, Any]:
    """The payload in the fields of a form."""
    payload: dict[str, Any] = {}
    for name in ("type", "severity", "text"):
        if form.get(name):
            payload[name] = form[name]
    for name in ("damage", "point", "box", "polygon"):
        if form.get(name):
            try:
                payload[name] = json.loads(form[name])
            except ValueError:
                raise DecisionInvalid(f"{name}: is not JSON") from None
    return payload
