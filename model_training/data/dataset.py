"""The labelled photos of a folder, and statistics about their labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from damage_tasks.languages.english_plurals import counted
from model_training.data.damage_classes import MEANINGS
from model_training.data.labelled_photos import KINDS, LabelledPhoto


@dataclass(slots=True)
class Dataset:
    """The photos of a folder, and statistics about its labels.

    ``objects``: the number of objects by (meaning, class name in the labels);
    ``skipped``: the number of skipped photos by reason; ``repeated``: file names
    shared by several photos, which therefore cannot be ids.
    """

    folder: Path
    formats: tuple[str, ...]
    photos: list[LabelledPhoto] = field(default_factory=list)
    objects: Counter[tuple[str, str]] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    repeated: frozenset[str] = frozenset()

    def report(self) -> str:
        """A summary of a few lines."""
        kinds = Counter(photo.kind for photo in self.photos)
        by_kind = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])
        lines = [
            f"{self.folder}: {', '.join(self.formats)}; {counted(len(self.photos), 'photo')}: "
            f"{by_kind}"
        ]
        for meaning in MEANINGS:
            classes = {name: n for (m, name), n in self.objects.items() if m == meaning}
            if classes:
                names = ", ".join(f"{name} {n}" for name, n in sorted(classes.items()))
                lines.append(f"  {meaning}: {sum(classes.values())} ({names})")
        lines += [
            f"  skipped {counted(n, 'photo')}: {reason}" for reason, n in self.skipped.most_common()
        ]
        return "\n".join(lines)
