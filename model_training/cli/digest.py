"""Prints the digest of labelled photos: ``python -m model_training digest``."""

from __future__ import annotations

import typer

from model_training.cli.options import Classes, EmptyIsClean, Photos, read


def digest(photos: Photos, classes: Classes = None, empty_is_clean: EmptyIsClean = False) -> None:
    """Print the digest of labelled photos, which manifests of bundles trained on them contain.

    It covers the bytes of the photos, their labels and the split, not their names. `train` writes
    it into the manifest; `python -m model_store list` shows its first digits.

    Example: python -m model_training digest --photos photos
    """
    from model_training.data.data_digest import digest_of

    found = digest_of(read(photos, classes=classes, empty_is_clean=empty_is_clean))
    counts = ", ".join(f"{count:,} {split}" for split, count in found.photos.items())
    typer.echo(f"{found.digest}  {counts}")
