"""A page with the quality report, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from damage_tasks.production_quality.report_texts import rows, sentences, shown

if TYPE_CHECKING:
    from damage_tasks.production_quality.quality_report import QualityReport

TEMPLATE = Path(__file__).with_suffix(".html")


def write_page(path: Path, report: QualityReport) -> None:
    """Write ``report`` to the file ``path``."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template(TEMPLATE.name).render(
        report=report,
        rows=[
            (name, found.photos, found.labelled, shown(found.precision), shown(found.recall))
            for name, found in rows(report)
        ],
        sentences=list(sentences(report)),
    )
    path.write_text(page, encoding="utf-8")
