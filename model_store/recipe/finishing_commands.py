"""``python -m model_store`` finish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from model_store.recipe.commands import Photos, read


def finish(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(help="Checkpoints, or folders of training runs that began alike."),
    ],
    photos: Photos,
    out: Annotated[Path, typer.Option(help="The checkpoint that `export` takes.")],
    refit: Annotated[
        str, typer.Option(help="Damage type whose output is fitted anew; empty for none.")
    ] = "spacing",
    batches: Annotated[int, typer.Option(help="Batches of 16 views to fit on.", min=1)] = 80,
    drawn_cars: Annotated[int, typer.Option(help="Drawn cars to fit on.", min=0)] = 180,
) -> None:
    """Take the mean of several trainings, and fit the output of rare damage anew.

    The mean of networks that began alike is better than each. Drawn spacing is too rare for its
    output to be learned beside the others; alone it takes minutes. Photos of the split `train`.

    Example: python -m model_store finish runs/a runs/b --photos photos --out runs/mean.safetensors
    """
    import torch

    from model_store.recipe import finishing
    from model_store.recipe.labels import MASKS
    from model_store.recipe.photos import CLASS_IDS
    from model_store.recipe.pool import Pool
    from model_store.recipe.prepare import drawn_cars as draw
    from model_store.recipe.prepare import vehicle_masks
    from model_store.recipe.sampling import Samples
    from model_store.recipe.training import LATEST

    if refit and refit not in CLASS_IDS:
        raise typer.BadParameter(f"types are {', '.join(CLASS_IDS)}", param_hint="--refit")
    torch.set_flush_denormal(True)
    console = Console(highlight=False)
    tensors, facts = finishing.mean_of(
        [path / LATEST if path.is_dir() else path for path in checkpoints]
    )
    if refit:
        learned, beside = read(photos, "train"), out.parent
        masks = vehicle_masks(learned, beside / "vehicles", console)
        cars = draw(beside / f"cars-{drawn_cars}", drawn_cars, console) if drawn_cars else []
        pool = Pool.read([*learned, *cars], masks)
        samples = Samples(pool, 16, 1000, finishing.MIX, finishing.VIEWS)
        channel = MASKS.index(refit)
        overlap = finishing.refit(tensors, facts, samples, channel, batches, console)
        console.print(f"{refit}: IoU {overlap:.2f} on cells that were held back")
    finishing.save(tensors, facts, out)
    console.print(f"the checkpoint is {out}")
