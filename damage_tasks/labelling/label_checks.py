"""Checks of labels from other tools; an error names the place in the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from damage_tasks.errors import LabelsInvalid
from damage_tasks.outline_shape import is_flat
from damage_tasks.reviewed_areas import Area
from damage_tasks.validation_sentences import sentence_of

# Labelling tools let a careless hand draw a little past the edge of a photo; what is further
# outside has another unit or belongs to another photo.
MARGIN = 0.05  # of the photo's width and height
MAX_SIDE = 100_000  # pixels

Model = TypeVar("Model")
Size = tuple[int, int]


def _number(value: Any) -> Any:
    # pydantic would take texts and booleans for numbers.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


def _id(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a whole number or a text")
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Length = Annotated[float, BeforeValidator(_number), Field(gt=0, allow_inf_nan=False)]
Side = Annotated[int, BeforeValidator(_number), Field(ge=1, le=MAX_SIDE)]
Id = Annotated[int | str, BeforeValidator(_id)]


class Part(BaseModel):
    """Part of a document, whose other keys are ignored."""

    model_config = ConfigDict(frozen=True)


def checked(model: TypeAdapter[Model], document: Any, start: str) -> Model:
    """``document`` as ``model``; ``start`` is what its first level is called in messages.

    Raises `LabelsInvalid`, which names the first entry that is wrong and counts the others.
    """
    try:
        return model.validate_python(document)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
    place = place_of(document, errors[0]["loc"], start)
    others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise LabelsInvalid(f"{place}: {sentence_of(errors[0])}{others}")


def place_of(document: Any, keys: Sequence[str | int], start: str = "") -> str:
    """Where ``keys`` lead in ``document``: ``annotations[2] (id 17).bbox``, for example.

    Keys that are not in the document, like the names of alternatives in a model, are left out,
    except the last one, which may be missing there.
    """
    words, found = start, document
    for position, key in enumerate(keys):
        if isinstance(key, int):
            words += f"[{key}]"
        elif isinstance(found, dict) and (key in found or position == len(keys) - 1):
            words += f".{key}" if words else key
        else:
            continue
        found = _inside(found, key)
        if isinstance(found, dict) and isinstance(found.get("id"), int | str):
            words += f" (id {str(found['id'])[:80]})"
    return words or "the document"


def _inside(found: Any, key: str | int) -> Any:
    if isinstance(found, dict):
        return found.get(key)
    is_item = isinstance(found, list) and isinstance(key, int) and key < len(found)
    return found[key] if is_item else None


def placed(area: Area, size: Size) -> Area:
    """``area`` on a photo of ``size`` (width, height), without what is a little outside.

    Raises `ValueError` if it is further outside or nothing is inside it.
    """
    points = [*area.polygon, *([area.point] if area.point else [])]
    if area.box:
        x, y, across, down = area.box
        points += [(x, y), (x + across, y + down)]
    for x, y in points:
        if not (_is_near(x, size[0]) and _is_near(y, size[1])):
            raise ValueError(f"({x:g}, {y:g}) is outside the photo of {size[0]} x {size[1]} pixels")
    moved = _moved(area, size)
    if moved.polygon and is_flat(moved.polygon):
        raise ValueError("nothing is inside the outline: all its corners are on one line")
    if moved.box and min(moved.box[2:]) < 1:
        raise ValueError("nothing is inside the box: it is less than a pixel wide or high")
    return moved


def _is_near(place: int, side: int) -> bool:
    return -MARGIN * side <= place <= (1 + MARGIN) * side


def _moved(area: Area, size: Size) -> Area:
    def inside(x: int, y: int) -> tuple[int, int]:
        return min(max(x, 0), size[0]), min(max(y, 0), size[1])

    box, point = area.box, area.point
    if box:
        (left, top), (right, bottom) = inside(*box[:2]), inside(box[0] + box[2], box[1] + box[3])
        box = (left, top, right - left, bottom - top)
    if point:  # a pixel, whose lower right corner is also on the photo
        x, y = inside(*point)
        point = min(x, size[0] - 1), min(y, size[1] - 1)
    return replace(
        area, polygon=tuple(inside(*corner) for corner in area.polygon), box=box, point=point
    )


def check_unique(entries: Sequence[Mapping[str, Any]], name: str) -> None:
    """Raise `LabelsInvalid` if two of the ``entries`` called ``name`` have the same id."""
    seen: dict[Any, int] = {}
    for index, entry in enumerate(entries):
        id = entry.get("id")
        if id is not None and seen.setdefault(id, index) != index:
            raise LabelsInvalid(f"{name}[{index}] (id {id}): {name}[{seen[id]}] has the same id")
