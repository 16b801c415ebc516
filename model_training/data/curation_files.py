"""Writes a curation to disk: the manifest for training, and the decision about each photo."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from model_training.data.curation import Curation
from model_training.data.label_formats.manifest_csv import MANIFEST, OLD_DOMAIN_NAME
from model_training.data.labelled_photos import LabelledPhoto

TABLE, SUMMARY, MASKS = "curation.csv", "curation.json", "masks"
MANIFEST_COLUMNS = (
    "id", "image", "mask", "kind", "split", "weight", "broken_parts", "source", "domain", "group",
)  # fmt: skip
DECISION_COLUMNS = ("id", "domain", "split", "action", "reason")


def write_curation(found: Curation, out: Path) -> None:
    """Write `MANIFEST`, changed masks, all decisions (`TABLE`) and counts (`SUMMARY`) to ``out``.

    Photos and unchanged masks stay where they are.
    """
    (out / MASKS).mkdir(parents=True, exist_ok=True)
    with (out / MANIFEST).open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(MANIFEST_COLUMNS)
        for photo in found.photos:
            mask = _mask_of(photo, found.new_ids.get(photo.id, {}), out / MASKS)
            broken = "yes" if photo.broken_parts else ""
            writer.writerow(
                [photo.id, photo.path.resolve(), mask, photo.kind, photo.split,
                 f"{photo.weight:g}", broken, photo.source, photo.domain, photo.group]
            )  # fmt: skip
    with (out / TABLE).open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(DECISION_COLUMNS)
        writer.writerows((d.id, d.domain, d.split, d.action, d.reason) for d in found.decisions)
    text = json.dumps(found.summary(), indent=1, ensure_ascii=False) + "\n"
    (out / SUMMARY).write_text(text, encoding="utf-8")


def read_curations(folders: Sequence[Path]) -> list[Mapping[str, Any]]:
    """The `SUMMARY` of each folder in ``folders`` that contains a curation."""
    paths = [folder / SUMMARY for folder in folders]
    found = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
    return [
        {**one, "decisions": [_with_domain(entry) for entry in one["decisions"]]} for one in found
    ]


def write_decisions(folders: Sequence[Path], out: Path) -> None:
    """Write the decisions of all curations in ``folders`` to ``out``, if there are any."""
    tables = [folder / TABLE for folder in folders if (folder / TABLE).exists()]
    if not tables:
        return
    rows: list[Mapping[str, str]] = []
    for table in tables:
        with table.open(newline="", encoding="utf-8") as lines:
            rows += map(_with_domain, csv.DictReader(lines))
    with out.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, DECISION_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _with_domain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of a curation's file; older files name the domain differently."""
    return {"domain" if name == OLD_DOMAIN_NAME else name: value for name, value in entry.items()}


def _mask_of(photo: LabelledPhoto, new_ids: Mapping[int, int], folder: Path) -> str:
    """The photo's own mask if nothing changes, otherwise one written to ``folder``."""
    if photo.kind == "negative":
        return ""
    if photo.mask_path is not None and not new_ids:
        return str(photo.mask_path.resolve())
    _, ids = photo.read()
    table = np.arange(256, dtype=np.uint8)
    for old, new in new_ids.items():
        table[old] = new
    if photo.mask_path is not None and not np.isin(ids, [*new_ids]).any():
        return str(photo.mask_path.resolve())
    path = folder / f"{photo.id}.png"
    cv2.imwrite(str(path), table[ids])
    return str(path.resolve())
