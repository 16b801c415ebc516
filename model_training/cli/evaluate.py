"""Measures a bundle on labelled photos: ``python -m model_training evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from damage_tasks.cli.output_paths import check_output
from damage_tasks.languages.english_plurals import counted
from model_training.cli.options import Classes, EmptyIsClean, Photos, read

BUNDLE_METAVAR = "default, a folder, s3:// or https://"


def evaluate(
    photos: Photos,
    bundle: Annotated[str, typer.Option(help=BUNDLE_METAVAR)] = "default",
    split: Annotated[
        str, typer.Option(help="Only the photos of this split (train, val ...); by default all.")
    ] = "",
    out: Annotated[
        Path, typer.Option(help="JSON file for the figures.", dir_okay=False, callback=check_output)
    ] = Path("evaluation.json"),
    errors: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for a page of the worst photos by kind of error, the confusion of types, "
            "and a table of all photos. It shows the photos, so mind their rights.",
            file_okay=False,
            callback=check_output,
        ),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            metavar="BUNDLE",
            help=f"Another bundle to compare with, photo by photo: {BUNDLE_METAVAR}.",
        ),
    ] = "",
    synthetic: Annotated[
        bool, typer.Option(help="Also measure drawn spacing and spoilt photos.")
    ] = True,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
    engine: Annotated[
        str, typer.Option(help="torch, openvino, openvino-int8; auto: the fastest.")
    ] = "torch",
    classes: Classes = None,
    empty_is_clean: EmptyIsClean = False,
) -> None:
    """Measure a bundle on labelled photos; prints tables and writes JSON.

    Reports IoU and Dice, pooled and per photo, at the manifest's own thresholds; AUC; missed
    damage and false alarms at those thresholds and at 95 and 99 % recall; clean photos that
    the gate ends; processor time. Each has a 95 % interval, and is broken down by domain, source,
    type, damaged area and light.

    Example: python -m model_training evaluate --bundle runs/a/bundle --photos photos --split val
    --errors errors --against default
    """
    from damage_tasks.settings import get_settings
    from damage_tasks.storage.aws_clients import new_client
    from damage_tasks.vision.self_test import open_segmenter
    from model_store.fetch import fetch_bundle
    from model_training.evaluation.bundle_evaluation import (
        evaluate as measure,
    )
    from model_training.evaluation.bundle_evaluation import (
        examine_all,
        results_of,
        write_report,
    )
    from model_training.evaluation.error_page import write_contact_sheet
    from model_training.evaluation.evaluation_report import table
    from model_training.evaluation.paired_comparison import compare_paired, paired_rows

    console = Console()
    chosen = read(photos, split, classes, empty_is_clean=empty_is_clean)
    cache = get_settings().bundle_cache
    segmenter = open_segmenter(fetch_bundle(bundle, cache, new_client), engine, threads)
    other = (
        open_segmenter(fetch_bundle(against, cache, new_client), engine, threads)
        if against
        else None
    )
    trained = sum(photo.split == "train" for photo in chosen)
    if trained:
        console.print(
            f"{trained} of {counted(len(chosen), 'photo')} belong{'s' if trained == 1 else ''} to "
            "the split 'train': figures on a network's training photos are too good (use --split "
            "val)",
            style="yellow",
        )
    report = measure(segmenter, chosen, console, synthetic=synthetic)
    if other is not None:
        found = compare_paired(results_of(report), examine_all(other, chosen, console)[0])
        report["against"] = {"bundle": other.bundle.label, **found.as_json()}
        console.print(table(f"against {other.bundle.label}", *paired_rows(found)))
    write_report(report, out)
    console.print(f"wrote the figures to {out}", highlight=False)
    if errors is not None:
        page = write_contact_sheet(errors, segmenter, chosen, results_of(report))
        console.print(f"wrote the errors to {page}", highlight=False)
