"""Combines several sets of labelled photos by rules that exclude, change or weight photos."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from model_training.data.curation_rules import CurationRules, Rule, SetRules
from model_training.data.damage_classes import DamageClasses
from model_training.data.dataset import Dataset
from model_training.data.dataset_readers import read_dataset
from model_training.data.duplicates import Duplicate, find_duplicates
from model_training.data.label_formats.manifest_csv import MANIFEST
from model_training.data.labelled_photos import UNTYPED, LabelledPhoto, PhotosError, split_by_id

LEFT_OUT, CHANGED = "left out", "changed"


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one photo, and why."""

    id: str
    domain: str
    split: str
    action: str  # `LEFT_OUT` or `CHANGED`
    reason: str


@dataclass(slots=True)
class Curation:
    """The remaining photos, and the decisions about all others.

    ``new_ids``: by photo id, a mapping from the mask's class ids to new ones; ``notes``: the
    rules' remarks about whole sets.
    """

    photos: list[LabelledPhoto] = field(default_factory=list)
    new_ids: dict[str, dict[int, int]] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def leave_out(self, photo: LabelledPhoto, reason: str) -> None:
        """Record that ``photo`` is excluded."""
        self.decisions.append(Decision(photo.id, photo.domain, photo.split, LEFT_OUT, reason))

    def summary(self) -> dict[str, Any]:
        """Counts for the model card."""
        counted = Counter(
            (d.domain, d.action, d.reason.split(":")[0], d.split) for d in self.decisions
        )
        kept = Counter((p.domain, p.source, p.split, p.kind, p.weight) for p in self.photos)
        return {
            "notes": list(self.notes),
            "decisions": [
                {"domain": w, "action": a, "reason": r, "split": s, "photos": n}
                for (w, a, r, s), n in sorted(counted.items())
            ],
            "photos": [
                {"domain": w, "source": o, "split": s, "kind": k, "weight": x, "photos": n}
                for (w, o, s, k, x), n in sorted(kept.items())
            ],
        }


def curate(
    folders: Mapping[str, Path],
    rules: CurationRules,
    console: Console | None = None,
    *,
    duplicates: bool = True,
    classes: DamageClasses | None = None,
    empty_is_clean: bool = False,
) -> Curation:
    """Apply ``rules`` to the sets in ``folders``, keyed by the names that the rules use.

    ``classes`` and ``empty_is_clean``: what the sets' labels mean; see `read_dataset`.  ``console``
    shows what was read.

    Afterwards no group remains on both sides of the split (the val side is kept) and, with
    ``duplicates``, no photo: neither unchanged, nor mirrored, nor cropped; see
    `find_duplicates`.  Raises `PhotosError`.
    """
    _check_names(folders, rules)
    found = Curation(notes=rules.notes)
    for name, of_set in rules.sets.items():
        dataset = read_dataset(folders[name], classes, empty_is_clean=empty_is_clean)
        if console:
            console.print(dataset.report())
        _apply(dataset, of_set, found)
    _check_ids(found.photos)
    _keep_groups_on_one_side(found)
    if duplicates:
        found.duplicates = find_duplicates(
            [p for p in found.photos if p.split == "val"],
            [p for p in found.photos if p.split == "train"],
            rules.duplicates.inliers,
            rules.duplicates.correlation,
            console,
        )
        _drop_duplicates(found, rules.duplicates.keep)
    return found


def _check_names(folders: Mapping[str, Path], rules: CurationRules) -> None:
    if missing := rules.sets.keys() - folders.keys():
        raise PhotosError(f"no folder given for the set {', '.join(sorted(missing))}")
    if unknown := folders.keys() - rules.sets.keys():
        raise PhotosError(f"the rules have no set named {', '.join(sorted(unknown))}")


def _check_ids(photos: Iterable[LabelledPhoto]) -> None:
    twice = [id for id, count in Counter(photo.id for photo in photos).items() if count > 1]
    if twice:
        raise PhotosError(f"{len(twice)} ids belong to more than one photo, such as {twice[0]!r}")


def _apply(dataset: Dataset, rules: SetRules, found: Curation) -> None:
    rows = _rows(dataset.folder / MANIFEST)
    flags = _review(dataset.folder / rules.review) if rules.review else {}
    for photo in dataset.photos:
        row = {"id": photo.id, "kind": photo.kind, "split": photo.split, "group": photo.group}
        row |= {k: v for k, v in rows.get(photo.id, {}).items() if v}
        matching = [r for r in rules.rules if r.matches(row, flags.get(photo.id, ()))]
        source = re.search(rules.source, photo.id) if rules.source else None
        photo = replace(
            photo, domain=rules.domain, source=source[0] if source else photo.source or rules.domain
        )
        if reasons := [rule.drop for rule in matching if rule.drop]:
            found.leave_out(photo, reasons[0])
            continue
        changed, new_ids = _changed(photo, matching)
        found.photos.append(changed)
        if new_ids:
            found.new_ids[photo.id] = new_ids
        for what in _described(photo, changed, matching):
            found.decisions.append(Decision(photo.id, photo.domain, photo.split, CHANGED, what))


def _changed(
    photo: LabelledPhoto, matching: Sequence[Rule]
) -> tuple[LabelledPhoto, dict[int, int]]:
    new_ids: dict[int, int] = {}
    for rule in matching:
        photo = replace(
            photo,
            weight=photo.weight * rule.weight,
            broken_parts=photo.broken_parts or rule.broken_parts,
        )
        if rule.held_back and split_by_id(photo.group or photo.id, rule.held_back) == "val":
            photo = replace(photo, split="val")
        new_ids |= rule.new_ids()
    if any(rule.untyped for rule in matching) and photo.kind == "typed":
        photo = replace(photo, kind="untyped")
        new_ids = dict.fromkeys(range(1, UNTYPED), UNTYPED)
    return photo, new_ids


def _described(old: LabelledPhoto, new: LabelledPhoto, matching: Sequence[Rule]) -> list[str]:
    """The changes that concern this photo rather than its whole source."""
    reviewed = [rule for rule in matching if rule.reviewed]
    changes = []
    if any(rule.untyped for rule in reviewed):
        changes.append("type unknown, by review")
    factor = np.prod([rule.weight for rule in reviewed])
    if factor != 1:
        changes.append(f"counts {factor:g} times, by review")
    if new.split != old.split:
        changes.append(f"moved to {new.split}")
    return changes


def _keep_groups_on_one_side(found: Curation) -> None:
    held_back = {p.group for p in found.photos if p.group and p.split == "val"}
    kept = []
    for photo in found.photos:
        if photo.split == "train" and photo.group in held_back:
            found.leave_out(photo, "its group is in val")
        else:
            kept.append(photo)
    found.photos = kept


def _drop_duplicates(found: Curation, keep: str) -> None:
    reasons: dict[str, str] = {}
    for pair in found.duplicates:
        dropped, kept = (pair.train, pair.val) if keep == "val" else (pair.val, pair.train)
        reasons.setdefault(dropped, f"the same photo is in {keep}: {kept}")
    for photo in found.photos:
        if photo.id in reasons:
            found.leave_out(photo, reasons[photo.id])
    found.photos = [photo for photo in found.photos if photo.id not in reasons]


def _rows(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["id"]: row for row in csv.DictReader(lines)}


def _review(path: Path) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                found.setdefault(row["id"], []).append((row["flag"], row.get("note") or ""))
    except OSError as error:
        raise PhotosError(f"{path}: {error.strerror}") from None
    except KeyError as error:
        raise PhotosError(f"{path}: column {error} is missing") from None
    return found
