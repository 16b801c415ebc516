"""``damage-tasks drift``: whether the photos in production still look as they did."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from damage_tasks.cli.points_in_time import parse_period
from damage_tasks.languages.english_plurals import counted
from damage_tasks.settings import get_settings

if TYPE_CHECKING:
    from damage_tasks.production_quality.drift_report import DriftReport


def run(
    since: Annotated[
        str, typer.Option(help="Photos examined since then: 24h, 2d or 2026-11-22.")
    ] = "24h",
    until: Annotated[
        str | None, typer.Option(help="Photos examined before then; by default now.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare the photos of a day with the reference: light, sharpness, size, score, camera.

    The reference is that of DAMAGE_DRIFT_REFERENCE, or else of the bundle's manifest (`python -m
    model_training reference`), or else the first days on which the bundle was used. Ends with
    status 1 if a figure has drifted: if its population stability index (PSI) is above
    DAMAGE_DRIFT_PSI, or its Kolmogorov-Smirnov distance (KS) above DAMAGE_DRIFT_KS.

    Example: damage-tasks drift --since 2026-11-21 --until 2026-11-22
    """
    from damage_tasks.production_quality.distributions import FIGURE_NAMES
    from damage_tasks.production_quality.drift_reference import open_references
    from damage_tasks.production_quality.drift_report import report_drift
    from damage_tasks.results.celery_backend import open_inspections

    begin, end = parse_period(since, until)
    settings, store = get_settings(), open_inspections()
    references = open_references(store, settings)
    report = report_drift(store, references, settings, begin, end or datetime.now(UTC))
    if as_json:
        print(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        _print(report, Console(highlight=False, soft_wrap=True))
    if report.drifted:
        names = ", ".join(FIGURE_NAMES[name] for name in report.drifted)
        typer.echo(f"drifted: {names}", err=True)
        raise typer.Exit(1)


def _print(report: DriftReport, console: Console) -> None:
    from damage_tasks.production_quality.distributions import FIGURE_NAMES

    about = "" if report.total_is_exact else "about "
    total = f"{about}{counted(report.total, 'photo')}"
    console.print(f"{report.photos} of {total}, bundle {report.bundle or 'unknown'}")
    if report.reference is None:
        console.print("there is no reference yet: it needs whole days with enough photos")
        return
    known = report.reference.reference
    days = f", {known.since} to {known.until}" if known.since else ""
    console.print(f"reference: {report.reference.origin}, {counted(known.photos, 'photo')}{days}")
    if not report.figures:
        console.print("too few photos to compare (DAMAGE_DRIFT_PHOTOS)")
        return
    table = Table("figure", box=None, pad_edge=False, header_style="bold")
    for name in ("PSI", "KS"):
        table.add_column(name, justify="right")
    table.add_column("")
    for figure in report.figures:
        ks = "" if figure.ks is None else f"{figure.ks:.2f}"
        drifted = "drifted" if figure.is_drifted else ""
        table.add_row(FIGURE_NAMES[figure.name], f"{figure.psi:.2f}", ks, drifted)
    console.print(table)
