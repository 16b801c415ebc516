"""``python -m model_training quantise``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from damage_tasks.errors import ExtraMissing
from model_training.cli.options import Classes, Photos, read


def quantise(
    bundle: Annotated[
        Path, typer.Argument(help="Folder of the bundle; it is changed.", exists=True)
    ],
    photos: Photos,
    classes: Classes = None,
) -> None:
    """Add int8 to a bundle before it is published, for CPUs that multiply bytes (VNNI, AMX).

    Photos of the split `train` calibrate the int8 network, those of `val` show whether its masks
    are those of the network in fp32 (IoU of 0.98 or more); without splits all do both. 200 photos
    are enough. An int8 network that fails is left out, and workers use the next engine.

    Needs pip install 'damage-tasks[quantising]'. Takes some minutes.

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
    chosen = read(photos, classes=classes)
    calibration, check = of_split(chosen, "train"), of_split(chosen, "val")
    found = add_engines(bundle, calibration or chosen, check or chosen, console)
    if INT8 in found:
        console.print(f"{bundle} now holds {INT8}; its digest has changed")
