"""Fits the damage score to whole photos: ``python -m model_training fit-score``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from model_training.cli.options import DEFAULT_GATE_SIDE, GateSide, Photos, read


def fit_score(
    checkpoint: Annotated[
        Path, typer.Argument(help="A checkpoint, or the folder of a training run.", exists=True)
    ],
    photos: Photos,
    out: Annotated[
        Path, typer.Option(help="The checkpoint file to write, for `export`.", dir_okay=False)
    ],
    gate_side: GateSide = DEFAULT_GATE_SIDE,
) -> None:
    """Train the damage score on whole photos, with the rest of the network unchanged.

    Uses the photos of the split `train` on which the network was trained. The gate and the damage
    score improve; the masks do not change. `--gate-side` must be that of the export.

    Example: python -m model_training fit-score runs/a --photos photos --out runs/scored.safetensors
    """
    import torch

    from model_training.bundling.bundle_export import read_network
    from model_training.fitting.checkpoint_averaging import save
    from model_training.fitting.checkpoints import load_checkpoint, under
    from model_training.fitting.training_loop import LATEST_FILE
    from model_training.fitting.whole_photo_head import describe_photos, fit, with_head

    torch.set_num_threads(1)
    console = Console(highlight=False)
    path = checkpoint / LATEST_FILE if checkpoint.is_dir() else checkpoint
    network, _, _ = read_network(path)
    examples = describe_photos(network, read(photos, "train"), gate_side, console)
    tensors, facts = load_checkpoint(path)
    save(*with_head(under("average", tensors), facts, fit(examples)), out)
    console.print(f"fitted on {len(examples.damaged):,} views; wrote the checkpoint to {out}")
