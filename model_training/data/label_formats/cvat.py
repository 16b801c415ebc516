"""CVAT for images: one XML file for many photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from model_training.data.label_formats.label import Label, LabelledObject, pairs
from model_training.data.label_formats.photo_finder import PhotoFiles
from model_training.data.labelled_photos import PhotosError

ROOT = "annotations"


def cvat_files(folder: Path) -> list[tuple[Path, Element]]:
    """The XML files below ``folder`` that CVAT wrote, with their root elements.

    Raises `PhotosError` for CVAT for video and for broken XML.
    """
    found = []
    for path in sorted(folder.rglob("*.xml")):
        try:
            root = parse(path).getroot()
        except (ParseError, DefusedXmlException, OSError) as error:
            raise PhotosError(f"{path}: not XML that can be read: {error}") from None
        if root is None or root.tag != ROOT:
            continue
        if root.find("track") is not None:
            raise PhotosError(f"{path}: CVAT for video; export the task as CVAT for images")
        found.append((path, root))
    return found


def read_cvat(root: Element, path: Path, files: PhotoFiles) -> Iterator[Label]:
    """Labels of the document ``root``, read from ``path``; polygons are outlines.

    Raises `PhotosError`.
    """
    try:
        for image in root.iter("image"):
            objects = tuple(_object(shape) for shape in image if "label" in shape.attrib)
            size = (int(image.attrib["width"]), int(image.attrib["height"]))
            yield Label(files.find(image.attrib["name"], path), objects, size)
    except (KeyError, ValueError) as error:
        raise PhotosError(f"{path}: not CVAT for images: {error!r}") from None


def _object(shape: Element) -> LabelledObject:
    name = shape.attrib["label"]
    if shape.tag != "polygon":
        return LabelledObject(name, shape=shape.tag)
    corners = pairs(n for corner in shape.attrib["points"].split(";") for n in corner.split(","))
    return LabelledObject(name, (corners,))
