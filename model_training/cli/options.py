"""Options shared by several commands of ``python -m model_training``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model_store.manifest import VERSION_PATTERN

if TYPE_CHECKING:
    from model_training.data.labelled_photos import LabelledPhoto


def check_version(value: str) -> str:
    """``value`` if it is a version.  Raises `typer.BadParameter`."""
    if not re.match(VERSION_PATTERN, value):
        raise typer.BadParameter("must be three numbers, such as 1.4.0")
    return value


def check_version_if_given(value: str) -> str:
    """``value`` if it is a version, or empty.  Raises `typer.BadParameter`."""
    return check_version(value) if value else value


Photos = Annotated[
    list[Path],
    typer.Option(
        "--photos",
        help="Folder of labelled photos: manifest.csv, COCO, Supervisely, CVAT for images, "
        "LabelMe, YOLO or SOCAR-style JSON. May be given more than once.",
        exists=True,
        file_okay=False,
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(
        "--classes",
        metavar="FILE",
        help="JSON file that maps classes of the labels, by name or number, to types, such as "
        '{"tire flat": "ignore", "3": "dent"}: scratch, dent, spacing, breakage, unknown, ignore '
        "(photos with nothing else are skipped) or undamaged (such photos are clean).",
        exists=True,
        dir_okay=False,
    ),
]
EmptyIsClean = Annotated[
    bool,
    typer.Option(
        "--empty-is-clean",
        help="Files of labels without a single object describe clean cars. By default they are "
        "refused, because nobody may have labelled their photos yet.",
    ),
]
Version = Annotated[
    str, typer.Option(help="The bundle's version, such as 1.4.0.", callback=check_version)
]
Licence = Annotated[
    str, typer.Option(help="Permitted use of the weights, given the rights to the photos.")
]
Name = Annotated[str, typer.Option(help="The bundle's name.")]
Description = Annotated[str, typer.Option(help="A one-line description of the bundle.")]
GateSide = Annotated[int, typer.Option(help="Longer side of the gates' input, pixels.", min=32)]
Sides = Annotated[
    list[int],
    typer.Option(
        "--side",
        help="Longer side of the segmenters' input, pixels; if given more than once, the "
        "probabilities are averaged.",
        min=32,
    ),
]
Stable = Annotated[
    list[str] | None,
    typer.Option(
        help="A type that may affect the verdict although it is experimental by default, if its "
        "figures allow it: spacing.",
    ),
]
DEFAULT_GATE_SIDE = 352
DEFAULT_SIDES = [352, 512]


def channels(decoder: str) -> list[int]:
    """The numbers in ``--decoder``.  Raises `typer.BadParameter`."""
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*){2}", decoder):
        raise typer.BadParameter("must be three numbers, such as 128,64,48", param_hint="--decoder")
    return [int(number) for number in decoder.split(",")]


def experimental(stable: Sequence[str] | None) -> tuple[str, ...]:
    """The types whose networks stay experimental.  Raises `typer.BadParameter`."""
    from model_training.bundling.bundle_export import EXPERIMENTAL_TYPES
    from model_training.data.labelled_photos import CLASS_IDS

    if unknown := set(stable or ()) - CLASS_IDS.keys():
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: must be one of {', '.join(CLASS_IDS)}",
            param_hint="--stable",
        )
    return tuple(name for name in EXPERIMENTAL_TYPES if name not in (stable or ()))


def read(
    folders: Sequence[Path],
    split: str = "",
    classes: Path | None = None,
    *,
    empty_is_clean: bool = False,
) -> list[LabelledPhoto]:
    """The photos of ``split``, or all, in ``folders``; prints a summary to stderr.

    Raises `PhotosError` if there are none.
    """
    from model_training.data.damage_classes import read_classes
    from model_training.data.dataset_readers import read_dataset
    from model_training.data.labelled_photos import PhotosError, of_split

    meanings = read_classes(classes) if classes else None
    found: list[LabelledPhoto] = []
    for folder in folders:
        dataset = read_dataset(folder, meanings, empty_is_clean=empty_is_clean)
        typer.echo(dataset.report(), err=True)
        found += dataset.photos
    chosen = of_split(found, split) if split else found
    if not chosen:
        where = ", ".join(str(folder) for folder in folders)
        raise PhotosError(f"{where}: no photos{f' in the split {split}' if split else ''}")
    return chosen
