"""The manifest of a redaction bundle, whose networks find faces and plates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from model_store.manifest.bundle_manifest import BundleManifest, GoldenPhoto
from model_store.manifest.networks import Score, Slug
from model_store.manifest.part import Part
from model_store.manifest.references import misfits_of_weights

Subject = Literal["face", "plate"]


class RedactNetwork(Part):
    """A network that finds what must not leave the system.

    With the shape ``mask``, output 0 holds the logits of a mask, whose connected areas are
    redacted.  With ``centres``, the outputs are those of CenterFace: the probability of a
    centre, the logarithms of height and width in cells, and the offset (y, x) of the centre.
    ``margin`` is added on each side of an area, relative to its size.
    """

    name: Slug
    role: Literal["redact"]
    subject: Subject
    weights: str
    shape: Literal["mask", "centres"] = "mask"
    threshold: Score
    margin: float = Field(default=0.15, ge=0, le=2)
    status: Literal["stable", "experimental"] = "experimental"
    metrics: dict[str, Any] = Field(default_factory=dict)


class GoldenRedaction(GoldenPhoto):
    """A small picture and the share of it that is redacted, by subject; 0 if not listed.

    The tolerance is absolute.
    """

    areas: dict[Subject, Score] = Field(default_factory=dict)
    area_tolerance: float = Field(default=0.02, ge=0, le=1)


class RedactionManifest(BundleManifest):
    """A bundle that finds faces and plates, so that they can be redacted."""

    kind: Literal["redaction"]
    networks: tuple[RedactNetwork, ...] = Field(min_length=1)
    golden: tuple[GoldenRedaction, ...] = ()

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:
        """References to weights that do not exist, and names that occur twice."""
        yield from misfits_of_weights(given)
