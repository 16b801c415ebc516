"""SOCAR-style JSON, a file for each photo: what ``model_training train --photos`` reads."""

from __future__ import annotations

import json
from pathlib import Path

from damage_tasks.labelling.labelled_photo import UNKNOWN_DAMAGE, ExportedPhoto

LABELS = "labels"


class SocarLabels:
    """A file for each photo below ``folder``/labels."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / LABELS
        self._folder.mkdir()

    def add(self, photo: ExportedPhoto) -> None:
        """Write the label of ``photo``, all of whose areas must have outlines."""
        label = {
            "image_id": photo.file,
            "damage_level": int(bool(photo.areas)),
            "regions": [
                {"class_name": area.type or UNKNOWN_DAMAGE, "points": area.polygon}
                for area in photo.areas
            ],
            "group": photo.group,
        }
        (self._folder / f"{photo.sha256}.json").write_text(json.dumps(label))

    def finish(self) -> None:
        """Every file has been written already."""
