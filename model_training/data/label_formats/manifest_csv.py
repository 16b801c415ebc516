"""A folder of photos and masks with a table of them, ``manifest.csv``."""

from __future__ import annotations

import csv
from pathlib import Path

from model_training.data.labelled_photos import KINDS, LabelledPhoto, PhotosError, split_by_id

MANIFEST = "manifest.csv"
OLD_DOMAIN_NAME = "world"  # of a photo's domain in older files


def read_folder(folder: Path) -> list[LabelledPhoto]:
    """The photos of a folder with ``manifest.csv``.

    Columns: id, image, mask (paths in the folder; mask may be empty for clean
    photos), kind (one of `labelled_photos.KINDS`) and split (train or val; if it
    is missing, a tenth of the photos is val, chosen by the id's hash).  Optional: weight (how
    often training uses the photo; 1), broken_parts ("yes" if broken and
    missing parts are outlined separately), source, domain and group (see
    `LabelledPhoto`).  Raises `PhotosError`.
    """
    table = folder / MANIFEST
    try:
        with table.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        raise PhotosError(f"{table}: {error.strerror}") from None
    photos = []
    for number, row in enumerate(rows, 2):
        try:
            kind = row["kind"]
            if kind not in KINDS:
                raise PhotosError(f"{table}:{number}: unknown kind {kind!r}")
            if kind in ("typed", "untyped") and not row["mask"]:
                raise PhotosError(f"{table}:{number}: a {kind} photo needs a mask")
            photos.append(
                LabelledPhoto(
                    id=row["id"],
                    path=folder / row["image"],
                    kind=kind,
                    split=row.get("split") or split_by_id(row["id"]),
                    mask_path=folder / row["mask"] if row.get("mask") else None,
                    weight=float(row.get("weight") or 1),
                    broken_parts=row.get("broken_parts") == "yes",
                    source=row.get("source") or "",
                    domain=row.get("domain") or row.get(OLD_DOMAIN_NAME) or "",
                    group=row.get("group") or "",
                )
            )
        except KeyError as error:
            raise PhotosError(f"{table}: column {error} is missing") from None
    return photos
