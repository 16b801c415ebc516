"""Reads COCO instances, which CVAT and most other tools write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag, TypeAdapter

from damage_tasks.errors import LabelsInvalid
from damage_tasks.labelling.label_checks import (
    Id,
    Length,
    Number,
    Part,
    Side,
    Size,
    check_unique,
    checked,
    place_of,
    placed,
)
from damage_tasks.labelling.labelled_photo import NOT_LABELLED, ImportedLabel, type_of
from damage_tasks.reviewed_areas import Area


def _in_pairs(flat: list[float]) -> list[float]:
    if len(flat) % 2:
        raise ValueError(f"must have an x and a y for each corner, not {len(flat)} numbers")
    return flat


FlatOutline = Annotated[list[Number], Field(min_length=6), AfterValidator(_in_pairs)]
Box = tuple[Number, Number, Length, Length]
# A mask is one object with run lengths; it is counted and not imported.
Segmentation = Annotated[
    Annotated[list[FlatOutline], Tag("polygons")] | Annotated[dict[str, Any], Tag("mask")],
    Discriminator(lambda value: "mask" if isinstance(value, dict) else "polygons"),
]


class Image(Part):
    """A photo."""

    id: Id
    file_name: str
    width: Side
    height: Side


class Category(Part):
    """A class of damage."""

    id: Id
    name: str


class Annotation(Part):
    """One damaged area of an image: outlines, or a box (x, y, width, height)."""

    image_id: Id
    category_id: Id
    segmentation: Segmentation | None = None
    bbox: Box | None = None


class Document(Part):
    """A file of COCO instances."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]


def is_coco(document: Any) -> bool:
    """Whether a JSON document has one of COCO's keys."""
    return isinstance(document, dict) and bool({"images", "annotations"} & document.keys())


def read_coco(document: dict[str, Any], *, empty_is_clean: bool) -> list[ImportedLabel]:
    """The labels of a COCO document: polygons, or boxes without a segmentation.

    A box of one pixel is a point.
    An image without annotations is clean with ``empty_is_clean``, and otherwise not labelled yet.
    Raises `LabelsInvalid`, which names the entry that is wrong.
    """
    coco = checked(TypeAdapter(Document), document, "")
    for name in ("images", "annotations", "categories"):
        check_unique(document[name], name)
    types = {category.id: type_of(category.name) for category in coco.categories}
    areas: dict[int | str, list[Area]] = {image.id: [] for image in coco.images}
    sizes = {image.id: (image.width, image.height) for image in coco.images}
    masks = set[int | str]()
    for index, annotation in enumerate(coco.annotations):
        image = annotation.image_id
        try:
            if image not in sizes:
                raise ValueError(f"no image has the id {image!r}, its image_id")
            if annotation.category_id not in types:
                raise ValueError(f"no category has the id {annotation.category_id!r}")
            if isinstance(annotation.segmentation, dict):
                masks.add(image)
            else:
                type = types[annotation.category_id]
                areas[image] += _areas(annotation.segmentation, annotation.bbox, type, sizes[image])
        except ValueError as error:
            raise LabelsInvalid(f"{place_of(document, ['annotations', index])}: {error}") from None

    def problem(image: int | str) -> str:
        if image in masks:
            return "a mask, not a polygon"
        return "" if areas[image] or empty_is_clean else NOT_LABELLED

    return [
        ImportedLabel(image.file_name, tuple(areas[image.id]), sizes[image.id], problem(image.id))
        for image in coco.images
    ]


def _areas(
    outlines: list[list[float]] | None, box: Box | None, type: str | None, size: Size
) -> Iterator[Area]:
    """Areas of damage ``type`` on a photo of ``size``; raises `ValueError`."""
    if not outlines and box is None:
        raise ValueError("it has neither a segmentation nor a bbox")
    for flat in outlines or ():
        corners = zip(map(round, flat[::2]), map(round, flat[1::2]), strict=True)
        yield placed(Area(type, tuple(corners)), size)
    if not outlines and box is not None:
        x, y, width, height = map(round, box)
        # COCO has no points: `damage-tasks export` writes one as a box of one pixel.
        is_point = width == height == 1
        marked = Area(type, point=(x, y)) if is_point else Area(type, box=(x, y, width, height))
        yield placed(marked, size)
