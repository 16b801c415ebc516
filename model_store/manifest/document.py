"""The manifest of a damage bundle: its contents and the rules for each part.

``manifest.json`` is validated against these models; their JSON schema is
``docs/reference/manifest.schema.json``.  Nothing in this module reads weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from model_store.manifest.bundle_manifest import BundleManifest, GoldenPhoto
from model_store.manifest.networks import (
    Gate,
    Locator,
    Network,
    Score,
    SegmentNetwork,
    Slug,
    UnionNetwork,
)
from model_store.manifest.part import Part, is_number
from model_store.manifest.reference import Reference
from model_store.manifest.references import misfits_of_decision, misfits_of_networks


class Evidence(Part):
    """How the union network's mask adjusts the gate's score.

    With g the gate's calibrated logit and z the logit of the mean of the ``share``
    strongest pixels (averaged over the union's input sizes), both within -8 to 8,
    the photo's damage score is sigmoid(gate_scale * g + scale * z + offset).
    """

    network: Slug
    share: float = Field(default=0.005, gt=0, le=1)
    gate_scale: float
    scale: float
    offset: float


class Decision(Part):
    """When a photo counts as damaged: its score reaches ``threshold`` and a region remains.

    The score is that of ``gate``, adjusted by ``evidence`` if the photo passed the
    gate.
    """

    threshold: Score
    gate: str
    evidence: Evidence | None = None


class Golden(GoldenPhoto):
    """A small picture with a known outcome, examined before a worker accepts photos.

    ``areas`` maps each type to the share of the photo that it covers in the class mask;
    types not listed cover nothing.  Tolerances are absolute.
    """

    verdict: Literal["damaged", "clean", "rejected"]
    damage_score: Score
    score_tolerance: float = Field(default=0.1, ge=0, le=1)
    areas: dict[Slug, Score] = Field(default_factory=dict)
    area_tolerance: float = Field(default=0.02, ge=0, le=1)
    scores: dict[Slug, Score] = Field(default_factory=dict)


class ReviewCosts(Part):
    """What errors and people's time cost, in any currency, and how common damage is.

    ``missed``: a damaged photo with the verdict clean; ``false_alarm``: the opposite;
    ``minute_of_inspector``: a minute of a person, who needs ``minutes_per_photo``;
    ``prevalence``: the share of damaged photos among all that are sent.
    """

    missed: float = Field(ge=0)
    false_alarm: float = Field(ge=0)
    minute_of_inspector: float = Field(ge=0)
    minutes_per_photo: float = Field(gt=0)
    prevalence: float = Field(gt=0, lt=1)


class Review(Part):
    """The damage scores, ``low`` to ``high``, at which a person should look at the photo.

    `model_training bands` chooses them by ``costs`` on validation photos; ``expected`` holds the
    figures that it found there.  They do not affect the verdict.
    """

    low: Score
    high: Score
    costs: ReviewCosts | None = None
    expected: dict[str, float] = Field(default_factory=dict)

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:
        """Limits in the wrong order."""
        low, high = given.get("low"), given.get("high")
        if is_number(low) and is_number(high) and low > high:
            yield "low must not exceed high"


class Manifest(BundleManifest):
    """A bundle that finds damage.  Networks run in the listed order."""

    kind: Literal["damage"] = "damage"
    # Damage types by class id, starting at 1; 0 means undamaged.
    types: tuple[Slug, ...] = Field(min_length=1, max_length=254)
    networks: tuple[Network, ...] = Field(min_length=1)
    decision: Decision
    review: Review | None = None
    reference: Reference | None = None
    golden: tuple[Golden, ...] = ()

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:
        """References to parts that do not exist, and parts of which there are too many or few."""
        yield from misfits_of_networks(given)
        yield from misfits_of_decision(given)

    @property
    def decisive_parts(self) -> tuple[str, ...]:
        """The keys that determine verdicts."""
        return ("types", "weights", "networks", "decision")

    def gates(self) -> tuple[Gate, ...]:
        """The gates, in order."""
        return tuple(n for n in self.networks if isinstance(n, Gate))

    @property
    def union(self) -> UnionNetwork | None:
        """The network that outlines damage of any type, if there is one."""
        return next((n for n in self.networks if isinstance(n, UnionNetwork)), None)

    @property
    def locator(self) -> Locator | None:
        """The network that finds the vehicle, if there is one."""
        return next((n for n in self.networks if isinstance(n, Locator)), None)

    def segmenters(self) -> tuple[SegmentNetwork, ...]:
        """The segmenters, in order."""
        return tuple(n for n in self.networks if isinstance(n, SegmentNetwork))
