"""Reads folders of labelled photos in any supported format.

A photo with damage of unknown outline must never be read as a clean car,
nor as one with only its other damages: it is skipped and counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from damage_tasks.languages.english_plurals import counted
from model_training.data.damage_classes import (
    IGNORED,
    MEANINGS,
    UNDAMAGED,
    DamageClasses,
    class_id,
)
from model_training.data.dataset import Dataset
from model_training.data.label_formats.coco import is_coco, read_coco
from model_training.data.label_formats.cvat import cvat_files, read_cvat
from model_training.data.label_formats.label import Corners, Label, LabelledObject, read_json
from model_training.data.label_formats.labelme import is_labelme, read_labelme
from model_training.data.label_formats.manifest_csv import MANIFEST, read_folder
from model_training.data.label_formats.photo_finder import PhotoFiles
from model_training.data.label_formats.socar import is_socar, read_socar
from model_training.data.label_formats.supervisely import read_supervisely, supervisely_files
from model_training.data.label_formats.yolo import read_yolo, yolo_folders
from model_training.data.labelled_photos import (
    UNTYPED,
    LabelledPhoto,
    PhotosError,
    Region,
    photo_size,
    split_by_id,
)

JSON_FORMATS = (
    ("COCO", is_coco, read_coco),
    ("LabelMe", is_labelme, read_labelme),
    ("SOCAR-style JSON", is_socar, read_socar),
)
FORMATS = "manifest.csv, COCO, Supervisely, CVAT for images, LabelMe, YOLO, SOCAR-style JSON"
AUGMENTED_NAME_PART = ".rf."  # Roboflow: several altered copies of a photo, in the same split
MIN_OUTLINE_AREA_PX = 1.0  # a smaller outline is an error, such as corners in other units


T = TypeVar("T")


def read_dataset(
    folder: Path, classes: DamageClasses | None = None, *, empty_is_clean: bool = False
) -> Dataset:
    """The labelled photos of ``folder``, whose format is recognised from its files.

    With ``empty_is_clean``, a file of labels without a single object describes clean cars.
    Otherwise it raises `PhotosError`, because nobody may have labelled its photos yet.
    Also raises `PhotosError` if the format is none of `FORMATS`, if classes are unknown,
    or if no photo can be used.
    """
    if (folder / MANIFEST).exists():
        return Dataset(folder, (MANIFEST,), read_folder(folder))
    read = list(_labels(folder))
    if not empty_is_clean:
        _check_labelled(read)
    labels = [label for _, _, label in read]
    images = [label.image for label in labels]
    found = Dataset(
        folder,
        tuple(dict.fromkeys(name for name, _, _ in read)),
        repeated=frozenset(_twice(path.stem for path in set(images))),
    )
    if twice := _twice(images):
        raise PhotosError(
            f"{folder}: labelled more than once: {counted(len(twice), 'photo')}, such as {twice[0]}"
        )
    classes = classes or DamageClasses()
    _check_classes(folder, labels, classes)
    for label in labels:
        photo = _photo(label, classes, found)
        if photo is not None:
            found.photos.append(photo)
    if not found.photos:
        reasons = "; ".join(f"{n}: {reason}" for reason, n in found.skipped.most_common())
        raise PhotosError(
            f"{folder}: {', '.join(found.formats) or 'no labels'}: no photo can be used ({reasons})"
        )
    return found


def _labels(folder: Path) -> Iterator[tuple[str, Path, Label]]:
    """Every label below ``folder``, with the name of its format and where it is.

    That is the file or folder with the labels of many photos.
    """
    if paths := supervisely_files(folder):
        yield from (("Supervisely", folder, label) for label in read_supervisely(paths))
        return
    files = PhotoFiles(folder)
    if documents := cvat_files(folder):
        for path, root in documents:
            yield from (("CVAT for images", path, label) for label in read_cvat(root, path, files))
        return
    if folders := yolo_folders(folder):
        for labels in folders:
            yield from (("YOLO", labels, label) for label in read_yolo(folder, labels))
        return
    jsons = sorted(folder.rglob("*.json"))
    if not jsons:
        raise PhotosError(f"{folder}: no labels in any of these formats: {FORMATS}")
    yield from _json_labels(folder, jsons, files)


def _json_labels(
    folder: Path, paths: list[Path], files: PhotoFiles
) -> Iterator[tuple[str, Path, Label]]:
    for path in paths:
        document = read_json(path)
        for name, recognises, read in JSON_FORMATS:
            if recognises(document):
                place = path if recognises is is_coco else folder
                yield from ((name, place, label) for label in read(document, path, files))
                break
        else:
            raise PhotosError(f"{path}: neither COCO, LabelMe nor SOCAR-style JSON")


def _twice(values: Iterable[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count > 1]


def _check_labelled(read: list[tuple[str, Path, Label]]) -> None:
    places: dict[Path, list[Label]] = defaultdict(list)
    for _, place, label in read:
        places[place].append(label)
    for place, labels in places.items():
        if not any(label.objects or label.damaged is not None for label in labels):
            raise PhotosError(
                f"{place}: no object is labelled on any of {counted(len(labels), 'photo')}, so "
                "they may not be labelled yet; if all of them show clean cars, give "
                "--empty-is-clean"
            )


def _check_classes(folder: Path, labels: list[Label], classes: DamageClasses) -> None:
    unknown = Counter(
        thing.class_name
        for label in labels
        for thing in label.objects
        if classes.meaning(thing) is None
    )
    if unknown:
        counted = ", ".join(f"{name} ({n} objects)" for name, n in unknown.most_common())
        entries = ", ".join(f'"{name}": ...' for name in unknown)
        raise PhotosError(
            f"{folder}: unknown classes: {counted}; give --classes FILE with {{{entries}}}, "
            f"each one of {', '.join(MEANINGS)}"
        )


def _photo(label: Label, classes: DamageClasses, found: Dataset) -> LabelledPhoto | None:
    """The photo of ``label``, or None (and counted as skipped) if it cannot be used."""
    regions, other_shapes, meanings = [], set(), set()
    size = photo_size(label.image)
    for thing in label.objects:
        meaning = str(classes.meaning(thing))
        meanings.add(meaning)
        found.objects[meaning, thing.class_name] += 1
        if meaning in (IGNORED, UNDAMAGED):
            continue
        outlines = [corners for corners in thing.polygons if _area(corners) >= MIN_OUTLINE_AREA_PX]
        other_shapes |= _without_outline(thing, outlines, size)
        regions += [Region(class_id(meaning), corners) for corners in outlines]
    reason = _contradiction(label, size, regions, meanings)
    if other_shapes:
        reason = f"damage without an outline ({', '.join(sorted(other_shapes))})"
    if reason:
        found.skipped[reason] += 1
        return None
    untyped = any(region.class_id == UNTYPED for region in regions)
    name = str(label.image.relative_to(found.folder).with_suffix(""))
    original = label.image.stem.split(AUGMENTED_NAME_PART)[0]
    altered = AUGMENTED_NAME_PART in label.image.stem
    return LabelledPhoto(
        id=name.replace("/", "-") if label.image.stem in found.repeated else label.image.stem,
        path=label.image,
        kind="untyped" if untyped else "typed" if regions else "negative",
        split=split_by_id(label.group or original),
        regions=tuple(regions),
        group=label.group or (original if altered else ""),
    )


def _contradiction(
    label: Label, size: tuple[int, int], regions: list[Region], meanings: set[str]
) -> str:
    """Why ``label`` cannot be used for a photo of ``size``; empty if it can."""
    if label.damaged and not regions:
        return "said to be damaged, but nothing is outlined"
    if label.damaged is False and regions:
        return "said to be clean, but damage is outlined"
    if not regions and IGNORED in meanings and label.damaged is None:
        return "nothing but ignored classes is labelled, so it may be damaged"
    if label.size is not None and label.size != size:
        return "its size is not the one in the label"
    return ""


def _without_outline(
    thing: LabelledObject, outlines: list[Corners], size: tuple[int, int]
) -> set[str]:
    """What ``thing`` has instead of ``outlines`` that can be drawn on a photo of ``size``."""
    if not outlines:
        return {"an outline without area" if thing.polygons else thing.shape}
    outside = any(_is_outside(corners, size) for corners in outlines)
    return {"an outline outside the photo"} if outside else set()


def _is_outside(corners: Corners, size: tuple[int, int]) -> bool:
    return any(
        max(along) <= 0 or min(along) >= length
        for along, length in zip(zip(*corners, strict=True), size, strict=True)
    )


def _area(corners: tuple[tuple[float, float], ...]) -> float:
    if len(corners) < 3:
        return 0.0
    return float(abs(cv2.contourArea(np.array(corners, np.float32))))
