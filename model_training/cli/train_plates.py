"""Trains the plates network of a redaction bundle: ``python -m model_training train-plates``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from damage_tasks.languages.english_plurals import plural
from model_training.cli.options import Classes, EmptyIsClean, Photos, read

QUICK_STEPS, QUICK_BATCH, QUICK_PHOTOS = 20, 4, 12


def train_plates(
    photos: Photos,
    run: Annotated[Path, typer.Option(help="Folder for the checkpoint.", file_okay=False)],
    regions: Annotated[
        Path | None,
        typer.Option(
            help="CSV file of plates on some of the photos: photo (its id), subject (plate, face, "
            "or empty if there is none), corners (`x,y x,y x,y x,y`, shares of the photo).",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    init: Annotated[
        str,
        typer.Option(
            help="Start with the weights of a bundle, training or checkpoint of the same "
            "architecture; by default with ImageNet weights."
        ),
    ] = "",
    steps: Annotated[int, typer.Option(help="Total number of training steps.", min=2)] = 4_000,
    batch: Annotated[int, typer.Option(help="Views per step.", min=1)] = 8,
    max_photos: Annotated[
        int, typer.Option(help="Photos to keep in memory; one takes about 1 MB.", min=1)
    ] = 2_000,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.", min=0)] = 0,
    threads: Annotated[int, typer.Option(help="Threads to compute with.", min=1)] = 2,
    quick: Annotated[
        bool, typer.Option("--quick", help="Try everything with a few photos and steps.")
    ] = False,
    classes: Classes = None,
    empty_is_clean: EmptyIsClean = False,
) -> None:
    """Train the network that finds plates, for a redaction bundle.

    It learns plates of several countries that are drawn onto the photos of the split `train`, so
    the photos need no labels of plates; --regions makes it better. You can stop it at any time:
    the same command continues from the last checkpoint.

    Example: python -m model_training train-plates --photos photos --run runs/plates --init default
    """
    import numpy as np
    import torch

    from damage_tasks.settings import get_settings
    from model_training.data.private_regions import read_private_regions
    from model_training.fitting.plate_training import PlateTrainingSettings
    from model_training.fitting.plate_training import train_plates as train
    from model_training.fitting.plate_views import PlateViews, read_plate_photos
    from model_training.fitting.warm_start import read_origin

    console = Console(highlight=False)
    torch.set_num_threads(threads)
    if quick:
        steps, batch, max_photos = min(steps, QUICK_STEPS), QUICK_BATCH, QUICK_PHOTOS
        run = run / "quick"
    known = read_private_regions(regions) if regions else {}
    learned = read(photos, "train", classes, empty_is_clean=empty_is_clean)
    order = np.random.default_rng(seed).permutation(len(learned))
    chosen = [learned[number] for number in order]
    chosen.sort(key=lambda photo: photo.id not in known)  # labelled photos first
    chosen = chosen[:max_photos]
    start = dict(read_origin(init, get_settings().bundle_cache).tensors) if init else {}
    console.print(
        f"training on plates drawn onto {len(chosen):,} {plural('photo', len(chosen))}, "
        f"{sum(photo.id in known for photo in chosen):,} of them with labels of their own plates"
    )
    settings = PlateTrainingSettings(
        steps=steps, batch=batch, seed=seed, warm_up_steps=max(1, min(60, steps // 10))
    )
    last = train(
        PlateViews(read_plate_photos(chosen, known), batch, seed),
        run,
        settings,
        start,
        lambda step, loss: console.print(f"step {step:,}: loss {loss:.4f}"),
    )
    console.print(f"wrote {last}; next: python -m model_training pack-redaction", soft_wrap=True)
