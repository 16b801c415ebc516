"""The web application of the inspectors' page."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from damage_tasks.errors import (
    DamageTaskError,
    DecisionInvalid,
    EvidenceTooLarge,
    InspectionNotFound,
    OriginalUnavailable,
    RedactionUnavailable,
    ReviewOpen,
    SearchInvalid,
    TemporaryError,
)
from damage_tasks.http_access import is_loopback
from damage_tasks.languages.catalogues import Languages
from damage_tasks.production_quality.latest_drift import LatestDrift
from damage_tasks.production_quality.latest_report import LatestReport
from damage_tasks.review.car_pages import CarPages
from damage_tasks.review.evidence_pages import EvidencePages
from damage_tasks.review.form_check import refuse_form, takes_form
from damage_tasks.review.language_choice import choose_language
from damage_tasks.review.page_security import HEALTH, PageSecurity
from damage_tasks.review.page_templates import FOLDER, open_templates
from damage_tasks.review.pages import Pages, render
from damage_tasks.review.people import Person, Role, role_of
from damage_tasks.review.picture_pages import PicturePages
from damage_tasks.review.pictures import Pictures
from damage_tasks.review.sign_in import BasicSignIn, LocalSignIn, ProxySignIn, SignIn
from damage_tasks.review.sign_in_audit import (
    note_refusal,
    note_refused_sign_in,
    note_sign_in,
)

if TYPE_CHECKING:
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings

STATUS_OF: dict[type[DamageTaskError], int] = {
    InspectionNotFound: 404,
    OriginalUnavailable: 404,
    DecisionInvalid: 400,
    EvidenceTooLarge: 400,
    SearchInvalid: 400,
    RedactionUnavailable: 503,
    TemporaryError: 503,
    DamageTaskError: 500,
}

logger = logging.getLogger(__name__)

Page = Callable[[Request], Response]


def refuse_open_page(settings: Settings, address: str) -> None:
    """Raise `ReviewOpen` if the page would listen beyond loopback without a sign-in."""
    if settings.review_sign_in == "none" and not is_loopback(address):
        raise ReviewOpen(
            f"the inspectors' page would listen on {address or 'every address'} without a sign-in; "
            "set DAMAGE_REVIEW_SIGN_IN"
        )


def build_application(
    settings: Settings,
    store: Inspections,
    quality: LatestReport | None = None,
    drift: LatestDrift | None = None,
) -> Starlette:
    """The application; raises `SettingsError` if the settings of the sign-in are incomplete."""
    sign_in = _open_sign_in(settings)
    languages = Languages(settings.review_language)
    zone = ZoneInfo(settings.time_zone)
    templates = {language.tag: open_templates(language, zone) for language in languages}
    quality = quality or LatestReport(store, settings)
    drift = drift or LatestDrift(store, settings)
    pictures = Pictures(settings)
    evidence = EvidencePages(store, pictures, settings)
    pages = Pages(
        store, pictures, settings, templates, quality, drift, offers_evidence=evidence.can_sign
    )
    picture_pages = PicturePages(store, pictures)
    car_pages = CarPages(store, settings, templates)
    entries = settings.review_roles
    if settings.review_sign_in == "none":
        entries = ("*=admin",)

    def page(path: str, show: Page, role: Role = Role.VIEWER, method: str = "GET") -> Route:
        return Route(path, _guarded(show, sign_in, entries, role), methods=[method])

    @asynccontextmanager
    async def stop_comparing_at_the_end(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(car_pages.close)

    public_url = settings.review_url
    key = settings.review_session_key
    application = Starlette(
        routes=[
            Route(HEALTH, lambda _: PlainTextResponse("ok\n")),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
            Route("/language/{tag}", takes_form(choose_language), methods=["POST"]),
            *getattr(sign_in, "routes", ()),
            page("/", pages.show_list),
            page("/lists/{name}", pages.show_list),
            page("/lists/{name}/counts", pages.show_counts),
            page("/lists/{name}/next", pages.show_next),
            page("/inspections/{id:path}/photo", picture_pages.show_photo),
            page("/inspections/{id:path}/thumbnail", picture_pages.show_thumbnail),
            page("/inspections/{id:path}/history", car_pages.show_history),
            page("/inspections/{id:path}/case-photos", car_pages.show_case),
            page("/inspections/{id:path}/overlay", picture_pages.show_overlay),
            page("/inspections/{id:path}/decisions", pages.decide, Role.INSPECTOR, "POST"),
            page("/inspections/{id:path}/evidence.pdf", evidence.of_inspection, Role.INSPECTOR),
            page("/inspections/{id:path}/evidence.json", evidence.of_inspection, Role.INSPECTOR),
            page("/cases/{id:path}/evidence.pdf", evidence.of_case, Role.INSPECTOR),
            page("/cases/{id:path}/evidence.json", evidence.of_case, Role.INSPECTOR),
            page("/inspections/{id:path}", pages.show_inspection),
            page("/quality", pages.show_quality, Role.INSPECTOR),
            page("/drift", pages.show_drift, Role.INSPECTOR),
            page("/undo", pages.undo, Role.INSPECTOR, "POST"),
        ],
        middleware=[
            Middleware(
                PageSecurity, public_url=public_url, any_host=settings.review_sign_in != "none"
            ),
            Middleware(
                SessionMiddleware,
                secret_key=key.get_secret_value() if key else secrets.token_urlsafe(32),
                session_cookie="damage_review",
                max_age=None,  # until the browser is closed
                same_site="lax",
                https_only=urlsplit(public_url or "").scheme == "https",
            ),
        ],
        lifespan=stop_comparing_at_the_end,
        exception_handlers={DamageTaskError: _error_page, HTTPException: _missing_page},
    )
    application.state.languages = languages
    application.state.templates = templates
    application.state.can_sign_out = settings.review_sign_in == "oidc"
    return application


def _open_sign_in(settings: Settings) -> SignIn:
    # Only their own libraries are needed.
    match settings.review_sign_in:
        case "basic":
            secret = settings.review_passwords
            return BasicSignIn(secret.get_secret_value() if secret else None)
        case "proxy":
            return ProxySignIn(settings.review_proxies)
        case "alb":
            from damage_tasks.review.alb_sign_in import AlbSignIn

            return AlbSignIn(settings)
        case "oidc":
            from damage_tasks.review.oidc_sign_in import OidcSignIn

            return OidcSignIn(settings)
    return LocalSignIn()


def _guarded(
    show: Page, sign_in: SignIn, entries: tuple[str, ...], needed: Role
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        identity = await sign_in.identify(request)
        if identity is None:
            if (tried := sign_in.attempted_name(request)) is not None:
                note_refused_sign_in(request, tried)
            return sign_in.challenge(request)
        if not isinstance(sign_in, LocalSignIn):
            note_sign_in(request, identity.name)
        role = role_of(identity, entries)
        if role is None or role < needed:
            note_refusal(request, identity.name, "role")
            return _refused(request, identity.name)
        request.state.person = Person(identity.name, role)
        if request.method == "POST" and (refused := await refuse_form(request)) is not None:
            return refused
        return await run_in_threadpool(show, request)

    return endpoint


def _refused(request: Request, name: str) -> Response:
    return render(request.app.state.templates, request, "refused.html", 403, name=name)


def _error_page(request: Request, error: Any) -> Response:
    status = next(code for kind, code in STATUS_OF.items() if isinstance(error, kind))
    if status >= 500:
        logger.error("%s: %s", error.code, error)
    return _problem(request, status, error)


def _missing_page(request: Request, error: Any) -> Response:
    return _problem(request, error.status_code, None)


def _problem(request: Request, status: int, error: Any) -> Response:
    templates = request.app.state.templates
    return render(templates, request, "error.html", status, http_status=status, error=error)
