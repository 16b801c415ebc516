"""One photo with its damaged areas, independent of the format of its labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from damage_tasks.reviewed_areas import Area

UNKNOWN_DAMAGE = "damage"  # the class of areas without a type
NOT_LABELLED = "nobody has labelled it"
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


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


@dataclass(frozen=True, slots=True)
class ImportedLabel:
    """What a labelling tool says about the photo that it calls ``name``.

    ``areas`` is all damage on the photo; ``size`` is (width, height) of the labelled photo.
    ``problem`` is why the label cannot be imported; otherwise it is empty.  ``submitted`` is
    whether the tool says that a person finished the label; most formats cannot say so.
    """

    name: str
    areas: tuple[Area, ...] = ()
    size: tuple[int, int] | None = None
    problem: str = ""
    submitted: bool = False

    @property
    def sha256(self) -> str | None:
        """The digest in the name, which `ExportedPhoto.file` has."""
        found = _DIGEST.search(self.name)
        return found[0] if found else None


class UnsupportedShape(ValueError):
    """Raised for a shape that no decision can express."""


def type_of(class_name: str) -> str | None:
    """The damage type that a class means; None for damage of unknown type."""
    name = class_name.strip().lower()
    return None if name == UNKNOWN_DAMAGE else name


class LabelFiles(Protocol):
    """Files of labels in one format."""

    def __init__(self, folder: Path) -> None: ...
    def add(self, photo: ExportedPhoto) -> None:
        """Add the labels of ``photo``."""

    def finish(self) -> None:
        """Write what describes several photos."""
