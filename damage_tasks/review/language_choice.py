"""The choice of a language, which the browser remembers for a year."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from damage_tasks.review.page_security import safe_path
from damage_tasks.review.request_language import COOKIE

LIFETIME_SECONDS = 365 * 24 * 3600


async def choose_language(request: Request) -> Response:
    """Remember the language ``tag`` of the path, and show the page ``here`` again."""
    tag = request.path_params["tag"]
    answer = RedirectResponse(safe_path(request.query_params.get("here", "/")), 303)
    if tag in request.app.state.languages:
        answer.set_cookie(COOKIE, tag, LIFETIME_SECONDS, httponly=True)
    return answer
