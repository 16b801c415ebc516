"""Compares the engines on the same photos: ``python -m model_training compare``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from damage_tasks.errors import EnginesDisagree
from model_training.cli.options import Classes, EmptyIsClean, Photos, read


def compare(
    photos: Photos,
    bundle: Annotated[str, typer.Option(help="default, a folder, s3:// or https://")] = "default",
    engine: Annotated[
        str,
        typer.Option(help="torch, openvino, openvino-int8; auto: what a worker here would use."),
    ] = "auto",
    split: Annotated[
        str, typer.Option(help="Only the photos of this split (train, val ...); by default all.")
    ] = "",
    classes: Classes = None,
    empty_is_clean: EmptyIsClean = False,
) -> None:
    """Compare an engine with torch in fp32 on the CPU: masks, and the figures of `evaluate`.

    Fails (exit status 1) if the masks' agreement (IoU) is below 0.98, an AUC falls by more
    than 0.005 or an IoU by more than 0.01.

    Example: python -m model_training compare --bundle default --photos photos --split val
    """
    from damage_tasks.settings import get_settings
    from damage_tasks.storage.aws_clients import new_client
    from damage_tasks.vision.segmenter import Segmenter
    from damage_tasks.vision.self_test import open_segmenter
    from model_store.engines import REFERENCE
    from model_store.fetch import fetch_bundle
    from model_training.evaluation.bundle_evaluation import evaluate
    from model_training.evaluation.engine_comparison import agreement, falls, too_much

    console = Console(highlight=False)
    fetched = fetch_bundle(bundle, get_settings().bundle_cache, new_client)
    reference, other = Segmenter(fetched, engine=REFERENCE), open_segmenter(fetched, engine)
    console.print(f"{fetched.label}: {other.engine} against {REFERENCE}")
    chosen = read(photos, split, classes, empty_is_clean=empty_is_clean)
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
