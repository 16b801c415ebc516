"""Fits the damage score to whole photos: ``python -m model_training fit-score``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from damage_tasks.cli.output_paths import check_output
from damage_tasks.languages.english_plurals import plural
from model_training.cli.options import DEFAULT_GATE_SIDE, GateSide, Photos, read


def fit_score(
    checkpoint: Annotated[
        Path, typer.Argument(help="A checkpoint, or the folder of a training run.", exists=True)
    ],
    photos: Photos,
    out: Annotated[
        Path,
        typer.Option(
            help="The checkpoint file to write, for `export`.",
            dir_okay=False,
            callback=check_output,
        ),
    ],
    gate_side: GateSide = DEFAULT_GATE_SIDE,
    screening: Annotated[
        bool, typer.Option("--screening", help="Fit a gate for small photos, not the damage score.")
    ] = False,
    threads: Annotated[
        int, typer.Option(help="Photos processed at the same time; 0: one per core.", min=0)
    ] = 0,
) -> None:
    """Train the damage score on whole photos, with the rest of the network unchanged.

    Uses the photos of the split `train` on which the network was trained. The gate and the damage
    score improve; the masks do not change. `--gate-side` is the input size of the score, which
    `export` must use too: for the damage score, its `--side`; with `--screening`, its
    `--gate-side`. Photos that pass the screening are then scored again.

    Example: python -m model_training fit-score runs/a --photos photos --out runs/scored.safetensors
    """
    import os

    import torch

    from model_training.bundling.bundle_export import read_network
    from model_training.data.targets import SCREENING
    from model_training.fitting.checkpoint_averaging import WHOLE_PHOTO, save
    from model_training.fitting.checkpoints import load_checkpoint, under
    from model_training.fitting.training_loop import LATEST_FILE
    from model_training.fitting.whole_photo_head import (
        HIDDEN_UNITS,
        SCREENING_HIDDEN_UNITS,
        describe_photos,
        fit,
        with_head,
    )

    torch.set_num_threads(1)
    console = Console(highlight=False)
    path = checkpoint / LATEST_FILE if checkpoint.is_dir() else checkpoint
    network, _, _ = read_network(path)
    examples = describe_photos(
        network,
        read(photos, "train"),
        gate_side,
        console,
        threads=threads or os.cpu_count() or 1,
    )
    tensors, facts = load_checkpoint(path)
    name, units = (SCREENING, SCREENING_HIDDEN_UNITS) if screening else (WHOLE_PHOTO, HIDDEN_UNITS)
    save(*with_head(under("average", tensors), facts, name, fit(examples, units)), out)
    views = f"{len(examples.damaged):,} {plural('view', len(examples.damaged))}"
    console.print(f"fitted on {views}; wrote the checkpoint to {out}")
