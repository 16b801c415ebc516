"""The page's templates."""

from __future__ import annotations

import math
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from damage_tasks.damage import Damage, enlarged_view
from damage_tasks.languages.catalogues import Language
from damage_tasks.languages.error_explanations import explain
from damage_tasks.review.drift_plots import bars
from damage_tasks.review.selections import inspection_path

FOLDER = Path(__file__).parent


def open_templates(language: Language, zone: tzinfo = UTC) -> Environment:
    """The environment of the templates in ``language``, with times in ``zone``."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        day=lambda moment: language.day(moment.astimezone(zone)),
        moment=lambda moment: language.moment(moment and moment.astimezone(zone)),
        number=language.number,
        percent=language.percent,
        precise_percent=language.precise_percent,
        explain=explain,
        bars=bars,
        figure=lambda value: language.number(value, 2 if abs(value) < 10 else 0),
        is_finite=math.isfinite,
        points=_points,
        crop=_crop,
        inspection_path=inspection_path,
        file_name=_file_name,
    )
    environment.install_gettext_translations(  # type: ignore[attr-defined]
        language.translations, newstyle=True
    )
    return environment


def _file_name(url: str | None) -> str:
    """The last part of the path of a photo's URL; may be empty."""
    try:
        path = urlsplit(url or "").path
    except ValueError:
        return ""
    return unquote(path.rpartition("/")[2])


def _points(polygon: Any) -> str:
    return " ".join(f"{x},{y}" for x, y in polygon)


def _crop(damage: Damage, width: int, height: int) -> str:
    """The view box of a damaged area in a photo of ``width`` x ``height`` pixels."""
    left, top, side = enlarged_view(damage.bbox, width, height)
    return f"{left} {top} {side} {side}"
