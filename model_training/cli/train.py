"""Trains networks on labelled photos and writes a bundle: ``python -m model_training train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

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
    Name,
    Photos,
    Sides,
    Stable,
    channels,
    check_version_if_given,
    experimental,
    read,
)


def train(
    photos: Photos,
    run: Annotated[
        Path, typer.Option(help="Folder for checkpoints and log; an existing training continues.")
    ],
    version: Annotated[
        str,
        typer.Option(
            help="The bundle's version, such as 1.4.0; needed unless --quick.",
            callback=check_version_if_given,
        ),
    ] = "",
    licence: Annotated[
        str,
        typer.Option(
            help="Permitted use of the weights, given the rights to the photos; needed unless "
            "--quick."
        ),
    ] = "",
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Try everything on a few photos in a minute or two: 40 steps in RUN/quick, "
            "without a bundle.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the finished bundle; by default RUN/bundle.",
            file_okay=False,
            callback=check_output,
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Total number of training steps.", min=2)] = 20_000,
    decay_steps: Annotated[
        int | None,
        typer.Option(help="Final steps in which the learning rate decays; by default a fifth."),
    ] = None,
    batch: Annotated[int, typer.Option(help="Views per step.", min=1)] = 16,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1.2e-3,
    variant: Annotated[
        Literal["lite0", "lite1", "lite2"],
        typer.Option(help="Encoder; larger ones are slower and better."),
    ] = "lite0",
    decoder: Annotated[
        str, typer.Option(help="The decoder's channels at strides 16, 8 and 4.")
    ] = "128,64,48",
    init: Annotated[
        str,
        typer.Option(
            help="Start with the weights of a bundle, training or checkpoint, as far as they fit; "
            "by default with ImageNet weights."
        ),
    ] = "",
    scenery: Annotated[
        Path | None,
        typer.Option(
            help="Folder of pictures without a vehicle, for the vehicle gate.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    drawn_cars: Annotated[int, typer.Option(help="Number of drawn cars to add.", min=0)] = 160,
    frozen_blocks: Annotated[
        int, typer.Option(help="First encoder blocks to freeze; 3 makes it a third faster.", min=0)
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.", min=0)] = 0,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="Where to train; auto: on a GPU if there is one, in bf16 or fp16."),
    ] = "auto",
    processes: Annotated[
        int,
        typer.Option(help="On a CPU: single-threaded processes that share each batch.", min=1),
    ] = 2,
    loader_workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that prepare views ahead; by default none on a CPU, and one per core "
            "with a GPU.",
            min=0,
        ),
    ] = None,
    checkpoint_every: Annotated[int, typer.Option(help="Steps.", min=1)] = 300,
    monitor_every: Annotated[
        int, typer.Option(help="Steps between measurements on the validation photos.", min=1)
    ] = 2_000,
    name: Name = "damage",
    description: Description = "",
    gate_side: GateSide = DEFAULT_GATE_SIDE,
    sides: Sides = DEFAULT_SIDES,
    stable: Stable = None,
    classes: Classes = None,
    empty_is_clean: EmptyIsClean = False,
) -> None:
    """Train networks on labelled photos and write a complete bundle.

    Photos of the split `train` are used for training; those of `val` for choosing thresholds and
    for the model card's figures. Vehicle masks and drawn cars are created once, first. You can stop
    it at any time: the same command continues from the last checkpoint. RUN/log.jsonl and
    RUN/tensorboard contain losses and figures.

    Example: python -m model_training train --photos photos --run runs/a --version 1.0.0
    --licence "our own photos"
    """
    from model_training.bundling.bundle_export import ExportSettings
    from model_training.fitting.devices import (
        choose_device,
        choose_loader_workers,
        choose_precision,
    )
    from model_training.fitting.training_settings import TrainingSettings
    from model_training.training_run import run_training, try_training

    if not quick:
        _require({"--version": version, "--licence": licence})
    defaults = TrainingSettings()
    place = choose_device(device)
    settings = TrainingSettings(
        steps=steps,
        decay_steps=steps // 5 if decay_steps is None else decay_steps,
        warm_up_steps=min(defaults.warm_up_steps, steps // 10),
        batch=batch,
        learning_rate=learning_rate,
        frozen_blocks=frozen_blocks,
        seed=seed,
        network={
            **defaults.network,
            "variant": variant,
            "decoder": channels(decoder),
        },
        checkpoint_every=checkpoint_every,
        monitor_every=monitor_every,
        processes=min(processes, batch) if place == "cpu" else 1,
        device=place,
        precision=choose_precision(place),
        loader_workers=choose_loader_workers(place) if loader_workers is None else loader_workers,
    )
    console = Console(highlight=False)
    labelled = read(photos, classes=classes, empty_is_clean=empty_is_clean)
    if quick:
        try_training(labelled, run, settings, console, init=init)
        return
    run_training(
        labelled,
        run,
        settings,
        ExportSettings(
            version=version,
            licence=licence,
            training_data="",
            name=name,
            description=description,
            long_side=gate_side,
            sides=tuple(sides),
            experimental=experimental(stable),
            curated=tuple(photos),
        ),
        out or run / "bundle",
        console,
        init=init,
        scenery_folder=scenery,
        car_count=drawn_cars,
    )


def _require(options: dict[str, str]) -> None:
    for option, given in options.items():
        if not given:
            raise typer.BadParameter("is needed, unless with --quick", param_hint=option)
