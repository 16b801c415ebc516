"""``damage-tasks export``: photos with labels, for training and for labelling tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from damage_tasks.cli.listing import print_counts
from damage_tasks.cli.login_name import login_name
from damage_tasks.cli.points_in_time import parse_period
from damage_tasks.cli.redact_option import Redact
from damage_tasks.labelling.export_choice import LEFT_OUT, LabelFormat, PhotoChoice
from damage_tasks.settings import get_settings
from damage_tasks.telemetry import configure_logging
from damage_tasks.telemetry.audit_log import audit_log


def run(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="New folder for photos, masks and labels.")
    ],
    decided: Annotated[
        bool, typer.Option("--decided", help="Only photos that people have decided about.")
    ] = False,
    hard: Annotated[
        bool,
        typer.Option(
            "--hard",
            help="Only photos about which the networks were unsure, or that people corrected.",
        ),
    ] = False,
    sample: Annotated[
        int | None, typer.Option(min=1, help="At most this many photos, drawn at random.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Only photos that were examined (with --decided: decided about) since then: "
            "2h, 3d or 2026-11-22."
        ),
    ] = None,
    format: Annotated[
        LabelFormat,
        typer.Option(
            help="socar is for training and has only photos that people have decided about; "
            "coco (also for CVAT) and label-studio are for labelling tools."
        ),
    ] = LabelFormat.SOCAR,
    download: Annotated[
        bool,
        typer.Option("--download", help="Fetch photos that were not kept from their URLs again."),
    ] = False,
    redact: Redact = None,
    by: Annotated[
        str | None, typer.Option(help="Who exports, for the audit log; by default the login name.")
    ] = None,
) -> None:
    """Export photos with their damage as people have corrected it.

    Every photo is exported once. Photos are the examined originals, including their EXIF data, so
    the folder needs the same care as the bucket. With --redact, faces and plates are pixelated, as
    far as the bundle finds them, and there is no EXIF data. Photos that cannot be exported are
    counted, and listed in DIR/left-out.csv. The audit log gets a line.

    Example: damage-tasks export labelled --decided --since 30d

    python -m model_training train --photos labelled --quick --run runs/a

    damage-tasks export to-label --hard --sample 200 --format label-studio
    """
    from damage_tasks.labelling.photo_export import ExportReport, export_photos
    from damage_tasks.redaction.redactor import open_redactor
    from damage_tasks.results.celery_backend import open_inspections

    moment, _ = parse_period(since)
    settings = get_settings()
    choice = PhotoChoice(decided=decided, hard=hard, sample=sample, since=moment)
    if redact and settings.redact_bundle is None:
        raise typer.BadParameter("needs DAMAGE_REDACT_BUNDLE", param_hint="--redact")
    configure_logging(settings.log_level, settings.log_format)
    redactor = None if redact is False else open_redactor(settings)
    report = ExportReport()
    try:
        export_photos(
            open_inspections(), settings, folder, choice, format,
            download=download, redactor=redactor, report=report,
        )  # fmt: skip
    finally:
        audit_log.info(
            "exported",
            extra={
                "person": by or login_name(),
                "photos": report.exported.total(),
                "folder": str(folder),
                "redacted": redactor is not None,
                "complete": sys.exc_info()[0] is None,
            },
        )
    console = Console(soft_wrap=True)
    if redactor is None:
        Console(stderr=True).print("faces and plates are not pixelated")
    print_counts(console, "exported", report.exported)
    print_counts(console, "left out", report.left_out)
    if report.left_out:
        console.print(f"listed in {folder / LEFT_OUT}", highlight=False)
