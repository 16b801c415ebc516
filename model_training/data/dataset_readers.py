"""Readers of labelled photos: our own folder, SOCAR-style JSON, COCO and Supervisely."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from model_training.data.labelled_photos import (
    BREAKAGE,
    DENT,
    KINDS,
    SCRATCH,
    SPACING,
    UNTYPED,
    LabelledPhoto,
    PhotosError,
    Region,
    split_by_id,
)

# What data sets call their classes (lower case, words joined by one space).
CLASS_NAMES: Mapping[str, int] = {
    **dict.fromkeys(("scratch", "scratches", "paint chip", "flaking", "스크래치"), SCRATCH),
    **dict.fromkeys(("dent", "dents", "deformation", "crushed", "덴트", "찌그러짐"), DENT),
    **dict.fromkeys(("spacing", "separated", "gap", "이격"), SPACING),
    **dict.fromkeys(("breakage", "broken", "broken part", "crack", "cracked", "파손"), BREAKAGE),
    **dict.fromkeys(("missing part", "glass", "glass shatter", "lamp broken"), BREAKAGE),
    **dict.fromkeys(("damage", "corrosion"), UNTYPED),
}
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
Names = Mapping[str, int]


def read_photos(folder: Path, names: Names = CLASS_NAMES) -> list[LabelledPhoto]:
    """The labelled photos of ``folder``, whichever of the four formats it is in.

    A ``manifest.csv`` is our own format; a folder ``ann`` (at any depth) is
    Supervisely; a JSON file with ``annotations`` and ``categories`` is COCO; any
    other JSON is SOCAR-style.  Raises `PhotosError` when it is none of them.
    """
    if (folder / "manifest.csv").exists():
        return read_folder(folder)
    if any(path.is_dir() for path in folder.rglob("ann")):
        return read_supervisely(folder, names)
    documents = sorted(folder.rglob("*.json"))
    if not documents:
        raise PhotosError(f"{folder}: neither manifest.csv nor JSON labels")
    photos: list[LabelledPhoto] = []
    for path in documents:
        document = _json(path)
        is_coco = isinstance(document, dict) and {"annotations", "categories"} <= document.keys()
        read = read_coco if is_coco else read_socar
        photos += read(path, folder, names)
    return photos


def read_folder(folder: Path) -> list[LabelledPhoto]:
    """The photos of a folder with ``manifest.csv``.

    Columns: id, image, mask (paths in the folder; mask may be empty for clean
    photos), kind (one of `labelled_photos.KINDS`) and split (train or val; where it
    is missing, one tenth by the id's hash is val).  These may be missing: weight (how
    often a training looks at the photo; 1), broken_parts ("yes" where broken and
    missing parts have outlines of their own), source, world and group (see
    `LabelledPhoto`).  Raises `PhotosError`.
    """
    table = folder / "manifest.csv"
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        raise PhotosError(f"{table}: {error.strerror}") from None
    photos = []
    for number, row in enumerate(rows, 2):
        try:
            kind = row["kind"]
            if kind not in KINDS:
                raise PhotosError(f"{table}:{number}: unknown kind {kind!r}")
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
                    world=row.get("world") or "",
                    group=row.get("group") or "",
                )
            )
        except KeyError as error:
            raise PhotosError(f"{table}: column {error} is missing") from None
    return photos


def read_socar(path: Path, folder: Path, names: Names = CLASS_NAMES) -> list[LabelledPhoto]:
    """SOCAR-style labels: one object, or a list of them, a photo.

    ``{"image_id", "damage_level": 0 or 1, "regions": [{"points": [[x, y]...],
    "class_name"}]}``; ``points`` may also be ``{"x": [...], "y": [...]}``.  The
    photo is found in ``folder`` by ``image_id``, with or without its suffix.
    Raises `PhotosError`.
    """
    document = _json(path)
    find = _finder(folder)
    photos = []
    for entry in document if isinstance(document, list) else [document]:
        try:
            regions = tuple(
                Region(_class_id(r["class_name"], names, path), _corners(r["points"], path))
                for r in entry.get("regions", ())
            )
            name = str(entry["image_id"])
        except (KeyError, TypeError, AttributeError) as error:
            raise PhotosError(f"{path}: no SOCAR-style label: {error!r}") from None
        if bool(entry.get("damage_level", bool(regions))) != bool(regions):
            continue  # damaged without outlines teaches nothing, and harms as a clean photo
        photos.append(_photo(find(name, path), regions))
    return photos


def read_coco(path: Path, folder: Path, names: Names = CLASS_NAMES) -> list[LabelledPhoto]:
    """COCO instances with polygons; run-length masks are refused.  Raises `PhotosError`."""
    document = _json(path)
    find = _finder(folder)
    try:
        classes = {c["id"]: _class_id(c["name"], names, path) for c in document["categories"]}
        regions: dict[Any, list[Region]] = {image["id"]: [] for image in document["images"]}
        for annotation in document["annotations"]:
            polygons = annotation["segmentation"]
            if not isinstance(polygons, list):
                raise PhotosError(f"{path}: run-length masks are not supported")
            for flat in polygons:
                corners = _corners(list(zip(flat[::2], flat[1::2], strict=True)), path)
                class_id = classes[annotation["category_id"]]
                regions[annotation["image_id"]].append(Region(class_id, corners))
        return [
            _photo(find(image["file_name"], path), tuple(regions[image["id"]]))
            for image in document["images"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise PhotosError(f"{path}: no COCO labels: {error!r}") from None


def read_supervisely(folder: Path, names: Names = CLASS_NAMES) -> list[LabelledPhoto]:
    """A Supervisely project: ``ann/PHOTO.json`` beside ``img/PHOTO``.

    Objects that are no polygon, or of a class not in ``names``, are left out (the
    Humans in the Loop set also names car parts).  Raises `PhotosError`.
    """
    photos = []
    for path in sorted(folder.rglob("ann/*.json")):
        document = _json(path)
        regions = []
        for thing in document.get("objects", ()):
            class_id = names.get(_word(thing.get("classTitle", "")))
            if class_id is not None and thing.get("geometryType", "polygon") == "polygon":
                corners = _corners(thing["points"]["exterior"], path)
                regions.append(Region(class_id, corners))
        image = path.parent.parent / "img" / path.stem
        if not image.exists():
            raise PhotosError(f"{path}: no photo {image}")
        photos.append(_photo(image, tuple(regions)))
    return photos


def _photo(path: Path, regions: Sequence[Region]) -> LabelledPhoto:
    untyped = any(region.class_id == UNTYPED for region in regions)
    return LabelledPhoto(
        id=path.stem,
        path=path,
        kind="untyped" if untyped else "typed" if regions else "negative",
        split=split_by_id(path.stem),
        regions=tuple(regions),
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PhotosError(f"{path}: no JSON: {error}") from None


def _word(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def _class_id(name: str, names: Names, path: Path) -> int:
    class_id = names.get(_word(name))
    if class_id is None:
        raise PhotosError(f"{path}: unknown damage class {name!r}")
    return class_id


def _corners(points: Any, path: Path) -> tuple[tuple[float, float], ...]:
    if isinstance(points, dict):
        points = list(zip(points["x"], points["y"], strict=True))
    corners = tuple((float(x), float(y)) for x, y in points)
    if len(corners) < 3:
        raise PhotosError(f"{path}: an outline needs three corners")
    return corners


def _finder(folder: Path) -> Callable[[str, Path], Path]:
    files: dict[str, Path] = {}
    for path in _images(folder):
        files.setdefault(path.name, path)
        files.setdefault(path.stem, path)

    def find(name: str, label: Path) -> Path:
        found = files.get(Path(name).name)
        if found is None:
            raise PhotosError(f"{label}: no photo named {name} in {folder}")
        return found

    return find


def _images(folder: Path) -> Iterator[Path]:
    paths: Iterable[Path] = sorted(folder.rglob("*"))
    return (path for path in paths if path.suffix.lower() in SUFFIXES)
