"""Maps the class names of data sets to damage types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from model_training.data.label_formats.label import LabelledObject
from model_training.data.labelled_photos import CLASS_IDS, UNTYPED, PhotosError

IGNORED = "ignore"
UNDAMAGED = "undamaged"
UNKNOWN = "unknown"
MEANINGS = (*CLASS_IDS, UNKNOWN, IGNORED, UNDAMAGED)

# Lower case, words separated by one space.
NAMES: Mapping[str, str] = {
    **dict.fromkeys(("scratch", "scratches", "paint chip", "flaking", "스크래치"), "scratch"),
    **dict.fromkeys(("dent", "dents", "deformation", "crushed", "덴트", "찌그러짐"), "dent"),
    **dict.fromkeys(("spacing", "separated", "gap", "이격"), "spacing"),
    **dict.fromkeys(("breakage", "broken", "broken part", "crack", "cracked", "파손"), "breakage"),
    **dict.fromkeys(("missing part", "glass", "glass shatter", "lamp broken"), "breakage"),
    **dict.fromkeys(("damage", "corrosion"), UNKNOWN),
    # Car parts that data sets label in addition to damage.
    **dict.fromkeys(
        (
            "back bumper", "back door", "back wheel", "back window", "back windshield", "fender",
            "front bumper", "front door", "front wheel", "front window", "grille", "headlight",
            "hood", "license plate", "mirror", "quarter panel", "rocker panel", "roof",
            "tail light", "trunk", "windshield",
        ),
        IGNORED,
    ),
}  # fmt: skip


class DamageClasses:
    """The meanings of a data set's classes, each one of `MEANINGS`.

    ``given``: meanings by name or number of a class, which override `NAMES`.
    """

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self._given = {_words(name): meaning for name, meaning in (given or {}).items()}

    def meaning(self, thing: LabelledObject) -> str | None:
        """The meaning of ``thing``'s class, or None if it is unknown."""
        name = _words(thing.class_name)
        by_number = None if thing.number is None else self._given.get(str(thing.number))
        return self._given.get(name) or by_number or NAMES.get(name)


def class_id(meaning: str) -> int:
    """The class id of a type, or of damage of unknown type."""
    return CLASS_IDS.get(meaning, UNTYPED)


def read_classes(path: Path) -> DamageClasses:
    """The classes in a JSON file such as ``{"tire flat": "ignore", "3": "dent"}``.

    Raises `PhotosError` naming every invalid entry.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise PhotosError(f"{path}: not JSON: {error}") from None
    if not isinstance(given, dict):
        raise PhotosError(f"{path}: must be an object that maps class names to types")
    wrong = [f"{name!r}: {value!r}" for name, value in given.items() if value not in MEANINGS]
    if wrong:
        raise PhotosError(f"{path}: {', '.join(wrong)}: must be one of {', '.join(MEANINGS)}")
    return DamageClasses(given)


def _words(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())
