"""``python -m model_training`` quantise and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from damage_tasks.errors import EnginesDisagree, ExtraMissing
from model_training.cli.options import Photos, read


def quantise(
    bundle: Annotated[
        Path, typer.Argument(help="Folder of the bundle; it is changed.", exists=True)
    ],
    photos: Photos,
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
    chosen = read(photos)
    calibration, check = of_split(chosen, "train"), of_split(chosen, "val")
    found = add_engines(bundle, calibration or chosen, check or chosen, console)
    if INT8 in found:
        console.print(f"{bundle} now holds {INT8}; its digest has changed")


def compare(
    photos: Photos,
    bundle: Annotated[str, typer.Option(help="default, a folder, s3:// or https://")] = "default",
    engine: Annotated[
        str,
        typer.Option(help="torch, openvino, openvino-int8; auto: what a worker here takes."),
    ] = "auto",
    split: Annotated[
        str, typer.Option(help="Only the photos of this split (train, val ...); all by default.")
    ] = "",
) -> None:
    """Compare an engine with torch in fp32 on the CPU: masks, and the figures of `evaluate`.

    Fails (exit status 1) when masks agree with an IoU below 0.98, or when an AUC falls by more
    than 0.005 or an IoU by more than 0.01.

    Example: python -m model_training compare --bundle default --photos photos --split val
    """
    from damage_tasks.settings import get_settings
    from damage_tasks.vision.segmenter import Segmenter
    from damage_tasks.vision.self_test import open_segmenter
    from model_store.engines import REFERENCE
    from model_store.fetch import fetch_bundle
    from model_training.evaluation.bundle_evaluation import evaluate
    from model_training.evaluation.engine_comparison import agreement, falls, too_much

    console = Console(highlight=False)
    fetched = fetch_bundle(bundle, get_settings().bundle_cache)
    reference, other = Segmenter(fetched, engine=REFERENCE), open_segmenter(fetched, engine)
    console.print(f"{fetched.label}: {other.engine} against {REFERENCE}")
    chosen = read(photos, split)
    agreed = agreement(reference, other, (photo.read()[0] for photo in chosen))
    console.print(str(agreed))
    fallen = falls(*(evaluate(segmenter, chosen) for segmenter in (reference, other)))
    table = Table("figure", "falls by", box=None, pad_edge=False)
    for name, fall in fallen.items():
        table.add_row(name, f"{fall:+.4f}")
    console.print(table)
    bad = [*([] if agreed.good else ["masks"]), *too_much(fallen)]
    if bad:
        raise EnginesDisagree(f"{other.engine} and {REFERENCE} disagree: {', '.join(bad)}")
