"""One photo with its damaged areas, independent of the format of its labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from damage_tasks.labelling.reviewed_areas import Area

UNKNOWN_DAMAGE = "damage"  # the class of areas without a type


@dataclass(frozen=True, slots=True)
class ExportedPhoto:
    """A photo that was examined.

    ``file`` is its path in the export; ``width`` and ``height`` are its pixels after EXIF
    rotation.  ``reviewed`` is whether a person has decided; otherwise ``areas`` are those that the
    bundle ``labelled_by`` found, with the damage score ``score`` (0 to 1).  Photos with the same
    ``group`` show the same car; it is empty if the car is unknown.
    """

    sha256: str
    inspection_id: str
    file: str
    width: int
    height: int
    areas: tuple[Area, ...]
    reviewed: bool
    labelled_by: str
    score: float
    group: str


class LabelFiles(Protocol):
    """Files of labels in one format."""

    def __init__(self, folder: Path) -> None: ...
    def add(self, photo: ExportedPhoto) -> None:
        """Add the labels of ``photo``."""

    def finish(self) -> None:
        """Write what describes several photos."""
