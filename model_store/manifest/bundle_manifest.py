"""What the manifests of all kinds of bundles have in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from model_store.manifest.lineage import Lineage
from model_store.manifest.networks import File, Sha256, Slug, Weights, inside_the_bundle
from model_store.manifest.part import Part

VERSION_PATTERN = r"^\d+\.\d+\.\d+([.+-][0-9A-Za-z.+-]+)?$"


class GoldenPhoto(Part):
    """A small picture with a known outcome."""

    photo: str
    sha256: Sha256

    _inside = field_validator("photo")(inside_the_bundle)


class BundleManifest(Part):
    """A bundle: named, versioned and checksummed."""

    schema_version: Literal[1] = Field(alias="schema")
    kind: str
    name: Slug
    version: Annotated[str, Field(pattern=VERSION_PATTERN)]
    created: str
    licence: str
    training_data: str
    description: str = ""
    weights: dict[Slug, Weights] = Field(min_length=1)
    networks: Sequence[Any]
    golden: Sequence[GoldenPhoto] = ()
    lineage: Lineage | None = None
    # ``metrics["measured"]`` is the `decisive_digest` of the bundle that the figures are of.
    metrics: dict[str, Any] = Field(default_factory=dict)

    @property
    def decisive_parts(self) -> tuple[str, ...]:
        """The keys that determine what the bundle finds."""
        return ("weights", "networks")

    @property
    def decisive_digest(self) -> str:
        """The sha256 (hex) of all that determines what the bundle finds.

        Figures of an evaluation apply to bundles with the same digest.  Engines, golden
        photos and descriptions do not change it, nor do new keys with a default.
        """
        found = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for weights in found["weights"].values():
            weights.pop("file")
            weights.pop("engines", None)
        for network in found["networks"]:
            network.pop("metrics", None)
        decisive = [found[key] for key in self.decisive_parts]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def large_files(self) -> Iterator[tuple[str, Weights | File]]:
        """Every file except the golden photos, with the name of its weights."""
        for name, weights in self.weights.items():
            yield name, weights
            for converted in weights.engines.values():
                for file in converted.files:
                    yield name, file
