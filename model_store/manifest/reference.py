"""How the photos look that a bundle was made for, to notice when those in production differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from model_store.manifest.networks import Score
from model_store.manifest.part import Part, is_list, is_number


class Distribution(Part):
    """Values of photos: the share ``shares[i]`` of them (0 to 1) is at most ``edges[i]``."""

    edges: tuple[float, ...] = Field(min_length=1, max_length=1000)
    shares: tuple[Score, ...] = Field(min_length=1, max_length=1000)

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:
        """Lists of different lengths, or in the wrong order."""
        edges, shares = given.get("edges"), given.get("shares")
        if not is_list(edges) or not is_list(shares):
            return
        if len(edges) != len(shares):
            yield "edges and shares must have the same length"
        for name, values in (("edges", edges), ("shares", shares)):
            if all(map(is_number, values)) and list(values) != sorted(values):
                yield f"{name} must be in ascending order"


class Reference(Part):
    """Distributions of ``photos`` photos, with which those in production are compared.

    ``numbers`` has figures like the brightness, and ``labels`` the shares of each value of figures
    like the verdict. ``since`` and ``until`` are days, of photos from production.
    """

    source: Literal["validation", "production"]
    photos: int = Field(ge=1)
    since: str = ""
    until: str = ""
    numbers: dict[str, Distribution] = Field(default_factory=dict)
    labels: dict[str, dict[str, Annotated[float, Field(ge=0, le=1)]]] = Field(default_factory=dict)
