"""Reads Label Studio's export in its format JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter

from damage_tasks.errors import LabelsInvalid
from damage_tasks.labelling.label_checks import (
    Id,
    Length,
    Number,
    Part,
    Side,
    Size,
    checked,
    place_of,
    placed,
)
from damage_tasks.labelling.labelled_photo import (
    NOT_LABELLED,
    ImportedLabel,
    UnsupportedShape,
    type_of,
)
from damage_tasks.reviewed_areas import Area

Classes = Annotated[list[str], Field(min_length=1)]
Corner = tuple[Number, Number]


class Shape(Part):
    """A shape on the photo, whose size (width, height) in pixels it repeats."""

    original_width: Side
    original_height: Side
    image_rotation: Number = 0

    @property
    def size(self) -> Size:
        """Width and height of the photo in pixels."""
        return self.original_width, self.original_height

    def pixels(self, x: float, y: float) -> tuple[int, int]:
        """A place or an extent, given as percentages of width and height, in pixels."""
        return round(x * self.original_width / 100), round(y * self.original_height / 100)


class Outline(Part):
    """Corners in percent of the photo's width and height."""

    points: Annotated[list[Corner], Field(min_length=3)]
    polygonlabels: Classes


class Rectangle(Part):
    """A rectangle; all numbers but the rotation are percentages."""

    x: Number
    y: Number
    width: Length
    height: Length
    rotation: Number = 0
    rectanglelabels: Classes


class KeyPoint(Part):
    """A point in percent of the photo's width and height."""

    x: Number
    y: Number
    keypointlabels: Classes


class OutlineResult(Shape):
    """An outline that somebody drew."""

    type: Literal["polygonlabels"]
    value: Outline

    def area(self) -> Area:
        """The damaged area."""
        corners = tuple(self.pixels(x, y) for x, y in self.value.points)
        return Area(type_of(self.value.polygonlabels[0]), corners)


class RectangleResult(Shape):
    """A rectangle that somebody drew."""

    type: Literal["rectanglelabels"]
    value: Rectangle

    def area(self) -> Area:
        """The damaged area; raises `UnsupportedShape`."""
        value = self.value
        if value.rotation:
            raise UnsupportedShape("a rotated rectangle")
        place, extent = self.pixels(value.x, value.y), self.pixels(value.width, value.height)
        return Area(type_of(value.rectanglelabels[0]), box=(*place, *extent))


class KeyPointResult(Shape):
    """A point that somebody set."""

    type: Literal["keypointlabels"]
    value: KeyPoint

    def area(self) -> Area:
        """The damaged area."""
        return Area(
            type_of(self.value.keypointlabels[0]), point=self.pixels(self.value.x, self.value.y)
        )


class OtherResult(Part):
    """A result of another tool, or about something else than the photo."""

    type: str = "a result without a type"
    to_name: str | None = None


def _kind(result: Any) -> str:
    is_about_photo = isinstance(result, dict) and result.get("to_name") == "image"
    type = result.get("type") if is_about_photo else ""
    return type if type in ("polygonlabels", "rectanglelabels", "keypointlabels") else "other"


Result = Annotated[
    Annotated[OutlineResult, Tag("polygonlabels")]
    | Annotated[RectangleResult, Tag("rectanglelabels")]
    | Annotated[KeyPointResult, Tag("keypointlabels")]
    | Annotated[OtherResult, Tag("other")],
    Discriminator(_kind),
]


class Annotation(Part):
    """What one person said about a photo; results that do not count may be anything.

    ``lead_time`` is how many seconds somebody worked on it.
    """

    result: list[Any]
    was_cancelled: bool = False
    parent_prediction: Any = None
    lead_time: Any = None
    updated_at: str | None = None
    created_at: str | None = None

    @property
    def changed_at(self) -> str:
        """When it was changed last, as ISO 8601, or empty."""
        return self.updated_at or self.created_at or ""

    @property
    def is_submitted(self) -> bool:
        """Whether a person submitted it.

        The action *Create Annotations From Predictions* copies predictions that nobody has opened.
        """
        return self.parent_prediction is None or self.lead_time is not None


class Data(Part):
    """The fields of a task as `damage-tasks export` writes them; others may lack both."""

    photo: str | None = None
    image: str | None = None


class Task(Part):
    """A photo and what people said about it."""

    id: Id | None = None
    data: Data
    annotations: list[Annotation]


def is_label_studio(document: Any) -> bool:
    """Whether a JSON document is a list with tasks of Label Studio, as far as it is one."""
    return isinstance(document, list) and all(
        isinstance(task, dict) and {"data", "annotations"} & task.keys() for task in document
    )


def read_tasks(document: list[Any]) -> list[ImportedLabel]:
    """The labels of an export in Label Studio's format JSON (not JSON-MIN).

    Of several annotations of a task, the one that was changed last counts; one without results
    means a clean car.  Predictions do not count.  Raises
    `LabelsInvalid`, which names the entry that is wrong.
    """
    tasks = checked(TypeAdapter(list[Task]), document, "tasks")
    return [_label(document, number, task) for number, task in enumerate(tasks)]


def _label(document: list[Any], number: int, task: Task) -> ImportedLabel:
    name = task.data.photo or task.data.image or str(task.id)
    made = [
        (each.changed_at, index)
        for index, each in enumerate(task.annotations)
        if not each.was_cancelled
    ]
    if not made:
        return ImportedLabel(name, problem=NOT_LABELLED)
    _, chosen = max(made, key=lambda each: each[0])
    place = place_of(document, [number, "annotations", chosen, "result"], "tasks")
    results = checked(TypeAdapter(list[Result]), task.annotations[chosen].result, place)
    areas, size = list[Area](), None
    for index, result in enumerate(results):
        try:
            if isinstance(result, OtherResult):
                _check_other(result)
                continue
            if result.image_rotation:
                raise UnsupportedShape(f"{result.type} on a photo that was turned in Label Studio")
            if size not in (None, result.size):
                raise ValueError("another size of the photo than in the results before")
            size = result.size
            areas.append(placed(result.area(), size))
        except UnsupportedShape as error:
            return ImportedLabel(name, problem=str(error))
        except ValueError as error:
            where = place_of(task.annotations[chosen].result, [index], place)
            raise LabelsInvalid(f"{where}: {error}") from None
    submitted = task.annotations[chosen].is_submitted
    return ImportedLabel(name, tuple(areas), size, submitted=submitted)


def _check_other(result: OtherResult) -> None:
    if result.to_name == "image":
        raise UnsupportedShape(f"{result.type}, not an upright polygon, rectangle or key point")
