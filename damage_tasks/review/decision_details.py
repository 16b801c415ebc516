"""The details of a decision besides its action, validated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from damage_tasks.damage import Severity
from damage_tasks.decision import Action
from damage_tasks.errors import DecisionInvalid
from damage_tasks.inspection import Inspection
from damage_tasks.outline_shape import crossing_of, has_no_area, is_flat
from damage_tasks.validation_sentences import sentence_of

MAX_CORNERS = 2000

# Pixels of the upright photo.
Pixel = Annotated[int, Field(ge=0, le=100_000)]
Side = Annotated[int, Field(ge=1, le=100_000)]
Point = tuple[Pixel, Pixel]


def _has_area(corners: tuple[Point, ...]) -> tuple[Point, ...]:
    if len(set(corners)) < 3:
        raise ValueError("needs three different corners")
    if is_flat(corners):
        raise ValueError("all its corners are on one line: move one aside, or add another")
    crossing = crossing_of(corners)
    if crossing is not None:
        raise ValueError(
            f"two sides cross near ({crossing[0]}, {crossing[1]}): move or remove a corner there"
        )
    if has_no_area(corners):
        raise ValueError("nothing is inside: its sides lie on each other, so move a corner aside")
    return corners


def _no_boolean(value: Any) -> Any:
    # pydantic would take `true` for 1.
    if isinstance(value, bool):
        raise ValueError("needs a number")
    return value


def _damage_type(name: str) -> str:
    if not re.fullmatch("[a-z][a-z0-9_ -]{0,63}", name):
        raise ValueError(
            "must be the name of a damage type: at most 64 small letters from a to z, digits, "
            "spaces, `_` and `-`, of which the first is a letter"
        )
    return name


Outline = Annotated[
    tuple[Point, ...], Field(min_length=3, max_length=MAX_CORNERS), AfterValidator(_has_area)
]
DamageType = Annotated[str, AfterValidator(_damage_type)]
Number = Annotated[
    int,
    BeforeValidator(_no_boolean),
    Field(ge=1, description="Number of a damaged area of the finding, from 1."),
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Payload(BaseModel):
    """Nothing besides the action."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AboutDamage(Payload):
    """The whole photo, or one ``damage``."""

    damage: Number | None = None


class CorrectedType(Payload):
    """The right type of a damaged area."""

    damage: Number
    type: DamageType


class CorrectedSeverity(Payload):
    """The right severity of a damaged area."""

    damage: Number
    severity: Severity


class MissedDamage(Payload):
    """Where the damage is: a ``point``, a ``box`` (x, y, width, height) or an outline."""

    type: DamageType | None = None
    point: Point | None = None
    box: tuple[Pixel, Pixel, Side, Side] | None = None
    polygon: Outline | None = None

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if sum(place is not None for place in (self.point, self.box, self.polygon)) != 1:
            raise ValueError("needs one of point, box and polygon")
        return self


class CorrectedOutline(Payload):
    """The right outline of a damaged area."""

    damage: Number
    polygon: Outline


class Reason(Payload):
    """Why another photo is needed, if the person says so."""

    text: Text | None = None


class Note(Payload):
    """A note."""

    text: Text


PAYLOADS: Mapping[Action, type[Payload]] = {
    Action.CONFIRM: AboutDamage,
    Action.NO_DAMAGE: AboutDamage,
    Action.WRONG_TYPE: CorrectedType,
    Action.SEVERITY: CorrectedSeverity,
    Action.MISSED: MissedDamage,
    Action.RESHAPE: CorrectedOutline,
    Action.RETAKE: Reason,
    Action.NOTE: Note,
}


def validated(action: str, payload: Mapping[str, Any], about: Inspection) -> dict[str, Any]:
    """``payload`` with JSON types, without empty fields.

    Raises `DecisionInvalid` if the action is unknown, or if the payload does not fit the action
    or the finding of the inspection ``about``.
    """
    try:
        checked = PAYLOADS[Action(action)].model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = [".".join(map(str, first["loc"]))] if first["loc"] else []
        raise DecisionInvalid(": ".join([action, *place, sentence_of(first)])) from None
    except ValueError:
        raise DecisionInvalid(f"{action!r} is not one of {', '.join(Action)}") from None
    values = checked.model_dump(mode="json", exclude_none=True)
    damages = about.finding.damages if about.finding else ()
    if values.get("damage", 0) > len(damages):
        raise DecisionInvalid(f"the finding has {len(damages)} damages, not {values['damage']}")
    _check_places(values, about)
    return values


def _check_places(values: Mapping[str, Any], about: Inspection) -> None:
    corners = list(values.get("polygon", ()))
    if "box" in values:
        x, y, width, height = values["box"]
        corners += [(x, y), (x + width, y + height)]
    if "point" in values:  # a pixel, whose lower right corner is also on the photo
        x, y = values["point"]
        corners.append((x + 1, y + 1))
    width, height = about.photo.width or 0, about.photo.height or 0
    if any(x > width or y > height for x, y in corners):
        raise DecisionInvalid(f"a place is outside the photo of {width} x {height} pixels")
