"""Writes how photos look into a manifest: ``python -m model_training reference``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from damage_tasks.cli.points_in_time import check_order
from damage_tasks.languages.english_plurals import counted

Day = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Of photos in production (UTC).")
]


def reference(
    bundle: Annotated[
        Path,
        typer.Argument(
            help="Folder of the bundle, whose manifest is changed.", exists=True, file_okay=False
        ),
    ],
    photos: Annotated[
        list[Path] | None,
        typer.Option("--photos", help="Folder of labelled photos.", exists=True, file_okay=False),
    ] = None,
    split: Annotated[str, typer.Option(help="Only the photos of this split.")] = "val",
    since: Day = None,
    until: Day = None,
) -> None:
    """Write the reference with which photos in production are compared (`damage-tasks drift`).

    Either of labelled photos (--photos): brightness, sharpness and size. Or of the photos in
    production (--since and --until, the day after the last; DAMAGE_DATABASE_URL) that a bundle of
    this version examined: also scores, verdicts, cameras and hours of the day.

    Example: python -m model_training reference runs/a/bundle --since 2026-11-01 --until 2026-11-08
    """
    from damage_tasks.production_quality.distributions import FIGURE_NAMES
    from damage_tasks.results.celery_backend import open_inspections
    from model_store.manifest import read_manifest
    from model_training.bundling.photo_reference import (
        reference_of_photos,
        reference_of_production,
        write_reference,
    )
    from model_training.cli.options import read

    days = since is not None and until is not None
    if bool(photos) == days or (since is None) != (until is None):
        raise typer.BadParameter("give either --photos, or both --since and --until")
    if photos:
        found = reference_of_photos(read(photos, split))
    else:
        assert since is not None and until is not None
        check_order(since, until, since.date(), until.date())
        version = read_manifest(bundle)[0].version
        begin, end = since.replace(tzinfo=UTC), until.replace(tzinfo=UTC)
        found = reference_of_production(open_inspections(), version, begin, end)
    write_reference(bundle, found)
    figures = ", ".join(FIGURE_NAMES[name] for name in (*found.numbers, *found.labels))
    typer.echo(f"{bundle}: reference of {counted(found.photos, 'photo')}: {figures}")
