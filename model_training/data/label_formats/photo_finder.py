"""Finds the photo that a label refers to."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from model_training.data.labelled_photos import PhotosError

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class PhotoFiles:
    """The photos below ``folder``, by path and by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in PHOTO_SUFFIXES:
                self._by_name[path.name].append(path)
                self._by_name[path.stem].append(path)

    def find(self, name: str, label: Path) -> Path:
        """The photo that the label file ``label`` calls ``name``, with or without its suffix.

        A path relative to ``label`` or to the folder comes first, then a photo of that
        name anywhere in the folder.  Raises `PhotosError` if there is none, or several.
        """
        relative = name.replace("\\", "/")
        for base in (label.parent, label.parent / "images", self.folder):
            path = base / relative
            if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file():
                return path
        plain = Path(relative).name
        found = self._by_name.get(plain, [])
        if len(found) > 1:
            near = [path for path in found if label.parent in path.parents]
            found = near if len(near) == 1 else found
        if not found:
            raise PhotosError(f"{label}: no photo named {name} in {self.folder}")
        if len(found) > 1:
            raise PhotosError(f"{label}: {name} is ambiguous: {found[0]} or {found[1]}")
        return found[0]
