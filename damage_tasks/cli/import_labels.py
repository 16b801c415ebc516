"""``damage-tasks import``: what people drew in a labelling tool, as decisions."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from damage_tasks.cli.listing import print_counts
from damage_tasks.languages.english_plurals import counted
from damage_tasks.settings import get_settings
from damage_tasks.telemetry import configure_logging, one_line


def run(
    file: Annotated[
        Path,
        typer.Argument(
            help="JSON file: COCO, as CVAT exports it, or Label Studio's export as JSON.",
            exists=True,
            dir_okay=False,
        ),
    ],
    person: Annotated[str, typer.Option(help="Who drew the labels; decisions carry this name.")],
    empty_is_clean: Annotated[
        bool,
        typer.Option(
            "--empty-is-clean",
            help="COCO: images without annotations are clean cars. By default they are not "
            "imported, because nobody may have labelled them yet.",
        ),
    ] = False,
    confirm_unchanged: Annotated[
        bool,
        typer.Option(
            "--confirm-unchanged",
            help="Somebody has looked at each photo in the file: labels that are as they were "
            "exported confirm the finding, so that its damage becomes billable.",
        ),
    ] = False,
) -> None:
    """Import labels of photos that `damage-tasks export` wrote, as decisions of a person.

    The labels of a photo are compared with what the networks found: corrected outlines and types,
    missed damage and false alarms become decisions. Labels that are as they were exported confirm
    the finding if a person submitted them in Label Studio, or with --confirm-unchanged; otherwise
    they are only counted, because nobody may have looked at them. Importing a file
    again changes nothing. If an entry of the file is wrong, it is named
    and nothing is imported. As on the inspectors' page, each decision is an
    event and a line in the audit log.

    Example: damage-tasks import project-1.json --person ann@acme.example
    """
    from damage_tasks.errors import LabelsInvalid
    from damage_tasks.labelling.label_import import AS_EXPORTED, import_labels, read_labels
    from damage_tasks.results.celery_backend import open_store

    settings = get_settings()
    configure_logging(settings.log_level, settings.log_format)
    labels = read_labels(file, empty_is_clean=empty_is_clean)
    store = open_store(settings.require("database_url"), settings.event_targets)
    report = import_labels(store, labels, person, confirm_unchanged=confirm_unchanged)
    store.close()
    for name, problem in report.not_imported:
        print(one_line(f"{name}: {problem}"), file=sys.stderr)
    console = Console(soft_wrap=True)
    print_counts(console, "photos", report.photos)
    print_counts(console, "decisions", report.decisions)
    print_counts(console, "not imported", Counter(problem for _, problem in report.not_imported))
    if unchanged := report.photos[AS_EXPORTED]:
        print(
            f"{counted(unchanged, 'photo')} came back as exported and got no "
            "decision: nobody may have looked. If somebody has looked at each photo in the file, "
            "import it again with --confirm-unchanged",
            file=sys.stderr,
        )
    if report.knows_no_photo:
        raise LabelsInvalid(
            f"{file}: none of its photos was examined here; label the photos that `damage-tasks "
            "export` wrote, under their names, and import into the database that they came from"
        )
