"""Makes a bundle of a training run's checkpoint: ``python -m model_training export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from damage_tasks.cli.output_paths import check_output
from model_training.cli.options import (
    DEFAULT_GATE_SIDE,
    DEFAULT_SIDES,
    Classes,
    Description,
    EmptyIsClean,
    GateSide,
    Licence,
    Name,
    Photos,
    Sides,
    Stable,
    Version,
    experimental,
    read,
)


def export(
    checkpoint: Annotated[
        Path, typer.Argument(help="A checkpoint, or the folder of a training run.", exists=True)
    ],
    photos: Photos,
    out: Annotated[
        Path, typer.Option(help="Folder of the bundle.", file_okay=False, callback=check_output)
    ],
    version: Version,
    licence: Licence,
    training_data: Annotated[str, typer.Option(help="A description of the training data.")],
    name: Name = "damage",
    description: Description = "",
    gate_side: GateSide = DEFAULT_GATE_SIDE,
    sides: Sides = DEFAULT_SIDES,
    stable: Stable = None,
    classes: Classes = None,
    empty_is_clean: EmptyIsClean = False,
) -> None:
    """Create a bundle from a checkpoint: weights, manifest, golden photos, model card.

    Thresholds, mask policies and calibration are chosen on the photos of the split `val`, which
    must not have been used in training; the figures on the card come from the same photos.

    Example: python -m model_training export runs/a --photos photos --out bundle --version 1.0.0
    --licence "our own photos" --training-data "4,000 photos of our fleet"
    """
    from model_training.bundling.bundle_export import ExportSettings
    from model_training.bundling.bundle_export import export as write_bundle
    from model_training.fitting.training_loop import LATEST_FILE

    settings = ExportSettings(
        version=version,
        licence=licence,
        training_data=training_data,
        name=name,
        description=description,
        long_side=gate_side,
        sides=tuple(sides),
        experimental=experimental(stable),
        curated=tuple(photos),
    )
    console = Console()
    path = checkpoint / LATEST_FILE if checkpoint.is_dir() else checkpoint
    write_bundle(
        path, read(photos, "val", classes, empty_is_clean=empty_is_clean), out, settings, console
    )
    console.print(f"wrote the bundle to {out}", highlight=False)
