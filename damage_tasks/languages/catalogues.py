"""English, and one language for each catalogue in the folder ``translations``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent, parse_pattern

from damage_tasks.errors import SettingsError
from damage_tasks.inspection import whole_percent

FOLDER = Path(__file__).parent / "translations"


@dataclass(frozen=True, slots=True)
class Language:
    """A language, with its ``translations`` of the English texts."""

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
        """Date, time and time zone of ``moment``; empty for None."""
        return f"{self.day(moment)} {moment:%H:%M %Z}" if moment else ""

    def exact_moment(self, moment: datetime) -> str:
        """Date and time of ``moment`` to the second, in UTC; without a time zone it is in UTC."""
        known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        utc = known.astimezone(UTC)
        return f"{self.day(utc)} {utc:%H:%M:%S} UTC"

    def percent(self, share: float) -> str:
        """``share`` (0 to 1) as a percentage that never rounds up to certainty."""
        return format_percent(whole_percent(share) / 100, locale=self.locale)

    def precise_percent(self, share: float) -> str:
        """``share`` (0 to 1) as a percentage with one decimal."""
        pattern = self.locale.percent_formats[None].pattern.replace("0", "0.0")
        return parse_pattern(pattern).apply(share, self.locale)

    def number(self, value: float, decimals: int = 0) -> str:
        """``value`` with ``decimals`` digits after the decimal sign."""
        whole = self.locale.decimal_formats[None].pattern.partition(".")[0]
        pattern = f"{whole}.{decimals * '0'}" if decimals else whole
        return format_decimal(round(value, decimals), pattern, locale=self.locale)


ENGLISH = Language(Locale("en"), NullTranslations())


class Languages:
    """The languages of the catalogues in ``folder``, and English.

    ``default`` is the tag of the language of people who have not chosen one; None is the one that
    their browser prefers. Raises `SettingsError` if it has no catalogue.
    """

    def __init__(self, default: str | None = None, folder: Path = FOLDER) -> None:
        found = (ENGLISH, *map(_read, sorted(folder.glob("*.po"))))
        self._by_tag = {language.tag.lower(): language for language in found}
        self.default = default
        if default is not None and default not in self:
            raise SettingsError(f"DAMAGE_REVIEW_LANGUAGE: {default} is not one of {self.tags}")

    def __iter__(self) -> Iterator[Language]:
        return iter(self._by_tag.values())

    def __contains__(self, tag: str) -> bool:
        return tag.lower() in self._by_tag

    def __getitem__(self, tag: str) -> Language:
        """The language with ``tag``; raises `KeyError` if there is none."""
        return self._by_tag[tag.lower()]

    @property
    def tags(self) -> str:
        """The tags of all languages, for people: "en, ko"."""
        return ", ".join(language.tag for language in self)


def _read(path: Path) -> Language:
    locale = Locale.parse(path.stem, sep="-")
    with path.open("rb") as file:
        catalogue = read_po(file, locale)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Language(locale, GNUTranslations(compiled))
