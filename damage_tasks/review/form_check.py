"""What every request that changes something must fulfil: a form of this session, not too large."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from damage_tasks.review.page_security import has_csrf_token
from damage_tasks.review.pages import render
from damage_tasks.review.request_language import language_of
from damage_tasks.review.sign_in_audit import note_refusal, person_of_session

MAX_FORM_BYTES = 256 * 1024


async def refuse_form(request: Request) -> Response | None:
    """Read the form into ``request.state.form``; returns the response if it is refused."""
    gettext = language_of(request).gettext
    length = request.headers.get("Content-Length")
    if length is None:
        text = gettext("The length of the form is missing: send the header Content-Length.")
        return PlainTextResponse(text, 411)
    if int(length) > MAX_FORM_BYTES:
        return PlainTextResponse(gettext("The form is too large."), 413)
    request.state.form = dict((await request.form()).items())
    if has_csrf_token(request, request.state.form.get("csrf")):
        return None
    person = getattr(request.state, "person", None)
    note_refusal(request, person.name if person else person_of_session(request), "csrf")
    return render(request.app.state.templates, request, "outdated.html", 403)


def takes_form(
    endpoint: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """``endpoint`` for forms of this session only; anybody may send them."""

    async def checked(request: Request) -> Response:
        refused = await refuse_form(request)
        return await endpoint(request) if refused is None else refused

    return checked
