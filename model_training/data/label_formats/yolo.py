"""YOLO segmentation: ``labels/PHOTO.txt`` and ``images/PHOTO``, class names in a YAML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from model_training.data.label_formats.label import Label, LabelledObject, pairs
from model_training.data.label_formats.photo_finder import PHOTO_SUFFIXES
from model_training.data.labelled_photos import PhotosError, photo_size

BOX_NUMBERS = 4  # x, y, width, height


def yolo_folders(folder: Path) -> list[Path]:
    """The folders named ``labels`` below ``folder`` that have text files."""
    found = [path for path in sorted(folder.rglob("labels")) if path.is_dir()]
    return [path for path in found if next(path.rglob("*.txt"), None)]


def read_yolo(folder: Path, labels: Path) -> Iterator[Label]:
    """Labels of the photos that belong to the folder ``labels`` of a data set in ``folder``.

    A line contains the number of a class and corners as shares of the photo's width
    and height.  Four numbers are a box.  A photo without a text file has no label
    and is skipped.  Raises `PhotosError`.
    """
    names = _class_names(folder)
    images = labels.parent / "images"
    if not images.is_dir():
        raise PhotosError(f"{labels}: no folder {images}")
    for image in sorted(images.rglob("*")):
        path = (labels / image.relative_to(images)).with_suffix(".txt")
        if image.suffix.lower() not in PHOTO_SUFFIXES or not path.exists():
            continue
        width, height = photo_size(image)
        objects = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            try:
                objects.append(_object(line, names, width, height))
            except ValueError as error:
                raise PhotosError(f"{path}:{number}: not YOLO: {error}") from None
        yield Label(image, tuple(objects))


def _object(line: str, names: Mapping[int, str], width: int, height: int) -> LabelledObject:
    first, *rest = line.split()
    name, shares = names.get(int(first), first), [float(share) for share in rest]
    if len(shares) == BOX_NUMBERS:
        return LabelledObject(name, shape="box", number=int(first))
    if any(not -1 <= share <= 2 for share in shares):
        raise ValueError("corners must be shares of width and height, from 0 to 1")
    corners = tuple((x * width, y * height) for x, y in pairs(shares))
    return LabelledObject(name, (corners,), number=int(first))


def _class_names(folder: Path) -> Mapping[int, str]:
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise PhotosError(f"{path}: not YAML: {error}") from None
        names = document.get("names") if isinstance(document, dict) else None
        if isinstance(names, dict):
            return {int(number): str(name) for number, name in names.items()}
        if isinstance(names, list):
            return {number: str(name) for number, name in enumerate(names)}
    for path in sorted(folder.rglob("classes.txt")):
        return dict(enumerate(path.read_text(encoding="utf-8").splitlines()))
    return {}
