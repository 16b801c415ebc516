"""Writes the manifest of a bundle of one's own networks: ``python -m model_training pack``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from damage_tasks.languages.english_plurals import counted
from model_training.cli.options import Classes, EmptyIsClean, check_version_if_given, read


def pack(
    folder: Annotated[
        Path, typer.Argument(help="Folder with the weights.", exists=True, file_okay=False)
    ],
    name: Annotated[str, typer.Option(help="The bundle's name.")] = "",
    version: Annotated[
        str,
        typer.Option(help="The bundle's version, such as 1.4.0.", callback=check_version_if_given),
    ] = "",
    licence: Annotated[str, typer.Option(help="Permitted use of the weights.")] = "",
    training_data: Annotated[str, typer.Option(help="A description of the training data.")] = "",
    description: Annotated[str, typer.Option(help="A one-line description of the bundle.")] = "",
    long_side: Annotated[
        int, typer.Option(help="Longer side of all networks' inputs, pixels.", min=32)
    ] = 512,
    trained_from: Annotated[
        list[str] | None,
        typer.Option(metavar="BUNDLE", help="A bundle that the networks were trained from."),
    ] = None,
    photos: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of the labelled photos that the networks were trained on; the manifest "
            "gets their digest.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    classes: Classes = None,
    empty_is_clean: EmptyIsClean = False,
) -> None:
    """Create a bundle from your own networks: write a manifest and golden photos to a folder.

    Each weights file is named after its network's role: scratch.pt2, dent.pt2, spacing.pt2,
    breakage.pt2 (masks), damage.pt2 (the score that decides), and, if you have them, quality.pt2,
    vehicle.pt2 (scores), place.pt2 (mask of the vehicle), any.pt2 (mask of any damage). All
    thresholds are initially 0.5; change them in manifest.json and run pack again. It keeps the
    manifest's entries and computes sizes, checksums and the outcomes of the golden photos.

    Example: python -m model_training pack bundle --name damage --version 1.0.0
    --licence "our own photos" --training-data "4,000 photos of our fleet"
    """
    from damage_tasks.settings import get_settings
    from damage_tasks.storage.aws_clients import new_client
    from model_store.fetch import fetch_bundle
    from model_training.bundling.manifest_from_weights import pack as write_bundle
    from model_training.data.data_digest import digest_of

    given = {"name": name, "version": version, "licence": licence}
    given |= {"training_data": training_data, "description": description}
    console = Console(highlight=False)
    facts = {key: value for key, value in given.items() if value}
    lineage: dict[str, Any] = {}
    if trained_from:
        cache = get_settings().bundle_cache
        parents = [fetch_bundle(uri, cache, new_client).identity for uri in trained_from]
        lineage["trained_from"] = [{"kind": "bundle", **asdict(parent)} for parent in parents]
    if photos:
        labelled = read(photos, classes=classes, empty_is_clean=empty_is_clean)
        lineage["training_data"] = digest_of(labelled).model_dump()
    bundle = write_bundle(folder, facts, long_side, console, lineage)
    console.print(
        f"{bundle.label} has {counted(len(bundle.manifest.networks), 'network')} and "
        f"{counted(len(bundle.manifest.golden), 'golden photo')}; next: python -m "
        f"model_training evaluate --bundle {folder} --photos PHOTOS",
        soft_wrap=True,
    )
