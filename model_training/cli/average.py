"""Averages the weights of several training runs: ``python -m model_training average``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from damage_tasks.cli.output_paths import check_output


def average(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Trainings with the same start: their folders, checkpoints or bundles. "
            "One given twice counts twice."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="The checkpoint file to write, for `export`.",
            dir_okay=False,
            callback=check_output,
        ),
    ],
) -> None:
    """Average the weights of several training runs; the mean is better than each of them.

    They must have the same start: the same bundle (`train --init`) with different seeds. The last
    source that is a training run provides the settings that the model card names.

    Example: python -m model_training average default runs/a runs/b --out runs/mean.safetensors
    """
    from damage_tasks.settings import get_settings
    from model_training.fitting import checkpoint_averaging

    tensors, facts = checkpoint_averaging.mean_of(sources, get_settings().bundle_cache)
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint_averaging.save(tensors, facts, out)
    Console(highlight=False).print(f"wrote the mean of {', '.join(facts['mean_of'])} to {out}")
