"""Files and folders that commands write: checked before the work, which may take hours."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def check_output(path: Path | None) -> Path | None:
    """``path`` if a file or folder can be made there; the folders above it need not exist.

    For `typer.Option`. Raises `typer.BadParameter`.
    """
    if path is None:
        return None
    place = path.absolute()
    existing = next(each for each in (place, *place.parents) if each.exists())
    if existing != place and not existing.is_dir():
        raise typer.BadParameter(f"{existing} is not a folder: choose another place")
    if not os.access(existing, os.W_OK):
        raise typer.BadParameter(f"{existing} cannot be written: choose another place")
    return path
