"""The language of a request."""

from __future__ import annotations

from babel import negotiate_locale
from starlette.requests import Request

from damage_tasks.languages.catalogues import Language, Languages

COOKIE = "damage_language"


def language_of(request: Request) -> Language:
    """The language that the person has chosen, or else the default, or the browser's."""
    languages: Languages = request.app.state.languages
    tag = request.cookies.get(COOKIE, "")
    if tag not in languages:
        wanted = accepted(request.headers.get("Accept-Language", ""))
        known = [language.tag.lower() for language in languages]
        tag = languages.default or negotiate_locale(wanted, known, sep="-") or "en"
    return languages[tag]


def accepted(header: str) -> list[str]:
    """The tags in ``Accept-Language`` in lower case, the most preferred first."""
    weights: dict[str, float] = {}
    for entry in header.lower().split(","):
        tag, _, weight = entry.partition(";")
        try:
            weights[tag.strip()] = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
    found = [tag for tag, weight in weights.items() if tag and weight > 0]
    return sorted(found, key=lambda tag: -weights[tag])
