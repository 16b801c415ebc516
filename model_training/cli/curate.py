"""Joins sets of labelled photos by rules into one: ``python -m model_training curate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from damage_tasks.cli.output_paths import check_output
from damage_tasks.languages.english_plurals import counted
from model_training.cli.options import Classes, EmptyIsClean


def curate(
    rules: Annotated[
        Path, typer.Argument(help="A TOML file with the rules.", exists=True, dir_okay=False)
    ],
    sets: Annotated[
        list[str],
        typer.Option("--set", metavar="NAME=FOLDER", help="The folder of each set in the rules."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the manifest, changed masks and the report.",
            file_okay=False,
            callback=check_output,
        ),
    ],
    duplicates: Annotated[
        bool, typer.Option(help="Search for photos that are on both sides of the split.")
    ] = True,
    classes: Classes = None,
    empty_is_clean: EmptyIsClean = False,
) -> None:
    """Combine several sets of labelled photos into one, according to rules.

    The rules weight photos by source, apply a review of the labels, map classes to types, and hold
    photos back. No group and no photo remains on both sides of the split, not even mirrored or
    cropped. OUT/manifest.csv is the input of `train` and `evaluate`; OUT/curation.csv lists
    each photo that was excluded or changed, with the reason; the model card counts them. Photos
    are not copied.

    Example: python -m model_training curate model_training/curation_recipes/default.toml
    --set stock=photos --set phone=photos-2 --out curated
    """
    from model_training.data.curation import curate as apply
    from model_training.data.curation_files import write_curation
    from model_training.data.curation_rules import read_rules
    from model_training.data.damage_classes import read_classes
    from model_training.evaluation.evaluation_report import table

    folders = dict(_named_folder(given) for given in sets)
    console = Console(highlight=False)
    meanings = read_classes(classes) if classes else None
    found = apply(
        folders,
        read_rules(rules),
        console,
        duplicates=duplicates,
        classes=meanings,
        empty_is_clean=empty_is_clean,
    )
    write_curation(found, out)
    rows = [[*(str(value) for value in entry.values())] for entry in found.summary()["decisions"]]
    console.print(table("", ("domain", "action", "reason", "split", "photos"), rows))
    for pair in found.duplicates:
        how = "mirrored, " if pair.mirrored else ""
        console.print(
            f"val {pair.val} and train {pair.train}: {how}{pair.inliers} matching features, "
            f"pixel correlation {pair.correlation:.2f}, hashes differ in {pair.hash_distance} "
            "of 64 bits"
        )
    console.print(f"{out}: {counted(len(found.photos), 'photo')}")


def _named_folder(given: str) -> tuple[str, Path]:
    name, _, folder = given.partition("=")
    if not folder or not Path(folder).is_dir():
        raise typer.BadParameter(f"{given}: must be NAME=FOLDER", param_hint="--set")
    return name, Path(folder)
