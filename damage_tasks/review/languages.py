"""The languages of the page: English, and one for each catalogue in the folder ``translations``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale, negotiate_locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent, parse_pattern
from starlette.requests import Request

from damage_tasks.errors import SettingsError
from damage_tasks.inspection import whole_percent

FOLDER = Path(__file__).parent / "translations"
COOKIE = "damage_language"


@dataclass(frozen=True, slots=True)
class Language:
    """A language, with its ``translations`` of the page's English texts."""

    locale: Locale
    translations: NullTranslations

    @property
    def tag(self) -> str:
        """The tag of BCP 47, like ``ko`` or ``pt-BR``."""
        return str(self.locale).replace("_", "-")

    @property
    def name(self) -> str:
        """The language's name for itself."""
        return self.locale.get_display_name() or self.tag

    def gettext(self, text: str) -> str:
        """The translation of ``text``; ``text`` itself if the catalogue has none."""
        return self.translations.gettext(text)

    def day(self, moment: datetime) -> str:
        """The date of ``moment``."""
        return format_date(moment, "medium", self.locale)

    def moment(self, moment: datetime | None) -> str:
        """Date and time of ``moment``, which is in UTC; empty for None."""
        return f"{self.day(moment)} {moment:%H:%M} UTC" if moment else ""

    def percent(self, share: float) -> str:
        """``share`` (0 to 1) as a percentage that never rounds up to certainty."""
        return format_percent(whole_percent(share) / 100, locale=self.locale)

    def precise_percent(self, share: float) -> str:
        """``share`` (0 to 1) as a percentage with one decimal."""
        pattern = self.locale.percent_formats[None].pattern.replace("0", "0.0")
        return parse_pattern(pattern).apply(share, self.locale)

    def number(self, value: float, decimals: int = 0) -> str:
        """``value`` with ``decimals`` digits after the decimal sign."""
        return format_decimal(round(value, decimals), locale=self.locale)


class Languages:
    """The languages of the catalogues in ``folder``, and English.

    ``default`` is the tag of the language of people who have not chosen one; None is the one that
    their browser prefers. Raises `SettingsError` if it has no catalogue.
    """

    def __init__(self, default: str | None = None, folder: Path = FOLDER) -> None:
        english = Language(Locale("en"), NullTranslations())
        found = (english, *map(_read, sorted(folder.glob("*.po"))))
        self._by_tag = {language.tag.lower(): language for language in found}
        self._default = default
        if default is not None and default not in self:
            tags = ", ".join(language.tag for language in self)
            raise SettingsError(f"DAMAGE_REVIEW_LANGUAGE: {default} is not one of {tags}")

    def __iter__(self) -> Iterator[Language]:
        return iter(self._by_tag.values())

    def __contains__(self, tag: str) -> bool:
        return tag.lower() in self._by_tag

    def choose(self, request: Request) -> Language:
        """The language that the person has chosen, or else the default, or the browser's."""
        tag = request.cookies.get(COOKIE, "")
        if tag not in self:
            wanted = accepted(request.headers.get("Accept-Language", ""))
            tag = self._default or negotiate_locale(wanted, self._by_tag, sep="-") or "en"
        return self._by_tag[tag.lower()]


def language_of(request: Request) -> Language:
    """The language in which ``request`` is answered."""
    languages: Languages = request.app.state.languages
    return languages.choose(request)


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


def _read(path: Path) -> Language:
    locale = Locale.parse(path.stem, sep="-")
    with path.open("rb") as file:
        catalogue = read_po(file, locale)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Language(locale, GNUTranslations(compiled))
