"""Adds int8 networks to a bundle: ``python -m model_training quantise``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from damage_tasks.errors import ExtraMissing
from model_training.cli.options import Classes, EmptyIsClean, Photos, read


def quantise(
    bundle: Annotated[
        Path, typer.Argument(help="Folder of the bundle, which is changed in place.", exists=True)
    ],
    photos: Photos,
    classes: Classes = None,
    empty_is_clean: EmptyIsClean = False,
) -> None:
    """Add int8 to a bundle before it is published, for CPUs with int8 instructions (VNNI, AMX).

    Photos of the split `train` calibrate the int8 network; those of `val` check that its masks
    agree with the fp32 network (IoU of at least 0.98). Without splits, all photos do both. 200 are
    enough. If the int8 network fails the check, it is discarded and workers use the next engine.

    Requires pip install 'damage-tasks[quantising]'. Takes some minutes.

    Example: python -m model_training quantise bundle --photos photos
    """
    from model_store.engines import INT8
    from model_training.data.labelled_photos import of_split

    try:
        from model_training.bundling.quantisation import quantise as add_engines
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"quantising needs {error.name}: pip install 'damage-tasks[quantising]'"
        ) from None
    console = Console(stderr=True, highlight=False)
    chosen = read(photos, classes=classes, empty_is_clean=empty_is_clean)
    calibration, check = of_split(chosen, "train"), of_split(chosen, "val")
    found = add_engines(bundle, calibration or chosen, check or chosen, console)
    if INT8 in found:
        console.print(f"{bundle} now contains {INT8}; its digest has changed")
