"""The rules of a curation, which decide about labelled photos; read from TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from model_training.data.label_formats.manifest_csv import OLD_DOMAIN_NAME
from model_training.data.labelled_photos import CLASS_IDS, DamageType, PhotosError


class _Part(BaseModel):
    # A misspelt key must not be silently ignored: photos might stay that should go.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Part):
    """What to do with the photos that ``where`` matches.

    ``where``: regular expressions by column of the set's manifest (searched, not
    matched in full).  ``flag`` and ``note`` refer to the set's label review, and both
    must match the same line of it.  A photo that several rules match gets the effects
    of all of them.

    ``drop``: the reason for excluding the photo.  ``weight``: multiplies how often training
    uses it.  ``untyped``: its damage counts as damage of unknown type.
    ``broken_parts``: whether its source outlines broken and missing parts separately.
    ``classes``: class ids of its mask that mean another type.  ``held_back``: the share
    of its groups that moves to the split ``val``.
    """

    where: dict[str, str]
    drop: str = ""
    weight: float = Field(default=1.0, gt=0)
    untyped: bool = False
    broken_parts: bool = False
    classes: dict[int, DamageType] = Field(default_factory=dict)
    held_back: float = Field(default=0.0, ge=0, le=1)

    @field_validator("where")
    @classmethod
    def _are_expressions(cls, where: dict[str, str]) -> dict[str, str]:
        for column, expression in where.items():
            try:
                re.compile(expression)
            except re.error as error:
                raise ValueError(f"{column}: {error}") from None
        return where

    @property
    def reviewed(self) -> bool:
        """Whether it depends on a label review."""
        return "flag" in self.where

    def matches(self, row: Mapping[str, str], flags: Iterable[tuple[str, str]]) -> bool:
        """Whether it applies to the photo of ``row`` with (flag, note) of the review."""
        of_row = {k: v for k, v in self.where.items() if k not in ("flag", "note")}
        if not all(re.search(v, row.get(k) or "") for k, v in of_row.items()):
            return False
        if not {"flag", "note"} & self.where.keys():
            return True
        return any(
            re.search(self.where.get("flag", ""), flag)
            and re.search(self.where.get("note", ""), note)
            for flag, note in flags
        )

    def new_ids(self) -> dict[int, int]:
        """A mapping from the mask's class ids to new ones."""
        return {old: CLASS_IDS[name] for old, name in self.classes.items()}


class SetRules(_Part):
    """The rules for one set of photos.

    ``domain``: the kind of photos, such as "phone" or "stock", by which figures are split.
    ``source``: a regular expression that finds a photo's source in its id.  ``review``: a CSV
    file in the set's folder with the columns id, flag and note.
    """

    domain: str = Field(validation_alias=AliasChoices("domain", OLD_DOMAIN_NAME))
    source: str = ""
    review: str = ""
    rules: tuple[Rule, ...] = ()


class Duplicates(_Part):
    """What to do with photos that are on both sides of the split.

    ``keep``: the side whose copy stays.  ``inliers``: minimum number of matching local features;
    ``correlation``: minimum correlation of the pixels where the photos overlap.
    """

    keep: Literal["val", "train"] = "val"
    inliers: int = Field(default=12, ge=6)
    correlation: float = Field(default=0.75, gt=0, le=1)


class CurationRules(_Part):
    """All rules; ``sets`` by the name under which a set's folder is given.

    ``notes``: the sets' limitations, for the model card.
    """

    sets: dict[str, SetRules] = Field(min_length=1)
    duplicates: Duplicates = Duplicates()
    notes: tuple[str, ...] = ()


def read_rules(path: Path) -> CurationRules:
    """The rules in the TOML file ``path``.  Raises `PhotosError` naming every invalid key."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return CurationRules.model_validate(document)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PhotosError(f"{path}: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()
        )
        raise PhotosError(f"{path}: {wrong}") from None
