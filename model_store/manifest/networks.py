"""The parts of a manifest: weights, and the networks that they are."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Score = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]


def inside_the_bundle(file: str) -> str:
    """``file`` if it is a relative path that stays inside the bundle; raises ``ValueError``."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file or not path.name:
        raise ValueError("must be a path inside the bundle")
    return file


class Part(BaseModel):
    """A part of the manifest: frozen, and without unknown keys."""

    # A misspelt key must not be silently ignored: it may be a threshold.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(Part):
    """How a photo becomes a network's input: N x 3 x H x W float, RGB.

    The longer side is scaled to ``long_side`` and both sides rounded to a
    multiple of ``multiple_of``; values are ``(v / 255 - mean) / std``.
    """

    long_side: int = Field(ge=32, le=4096)
    multiple_of: int = Field(default=32, ge=1, le=128)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


class File(Part):
    """A file of the bundle."""

    file: str
    sha256: Sha256
    bytes: int = Field(gt=0)

    _inside = field_validator("file")(inside_the_bundle)


INT8: Literal["openvino-int8"] = "openvino-int8"


class Converted(Part):
    """A network once more, in an engine's format, as `model_training quantise` writes it.

    ``agreement`` is how far its masks are those of the weights in fp32.
    """

    files: tuple[File, ...] = Field(min_length=1)
    agreement: dict[str, float] = Field(default_factory=dict)


class Weights(Part):
    """One weights file and what is needed to run it.

    ``safetensors`` needs an ``architecture`` that `model_store.architectures`
    knows, with its ``parameters``; ``exported_program`` (torch.export) brings
    its own.  Either gives mask logits (N x masks x h x w) and score logits
    (N x scores), or one of the two.  ``engines`` holds the same network quantised.
    """

    file: str
    sha256: Sha256
    bytes: int = Field(gt=0)
    format: Literal["safetensors", "exported_program"] = "safetensors"
    architecture: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    input: Input
    engines: dict[Literal["openvino-int8"], Converted] = Field(default_factory=dict)

    _inside = field_validator("file")(inside_the_bundle)

    @field_validator("file")
    @classmethod
    def _is_no_pickle(cls, file: str) -> str:
        if re.search(r"\.(pt|pth|pkl|pickle|ckpt|bin|joblib|npy)$", file):
            raise ValueError("pickled weights are refused: convert them to safetensors")
        return file

    @model_validator(mode="after")
    def _architecture_fits_the_format(self) -> Weights:
        if (self.format == "safetensors") != (self.architecture is not None):
            raise ValueError("architecture goes with safetensors, and only with it")
        return self


class Output(Part):
    """Which of its weights' outputs a network is: a score or a mask channel."""

    kind: Literal["score", "mask"]
    channel: int = Field(ge=0)


class Calibration(Part):
    """Platt scaling on the logit: probability = sigmoid(scale * logit + offset)."""

    scale: float = 1.0
    offset: float = 0.0


class MaskPolicy(Part):
    """How a segmenter's probabilities become a mask.

    ``threshold``: pixels at or above ``threshold``.  ``hysteresis``: regions at
    or above ``low`` that hold a pixel at or above ``threshold``, for thin
    damage whose borders are faint; with ``refine`` the probabilities first
    follow the photo's edges (guided filter, He et al., ECCV 2010), which is
    what a CRF was used for.  Regions below ``min_area_ratio`` of the photo are
    dropped.
    """

    kind: Literal["threshold", "hysteresis"] = "threshold"
    threshold: Score
    low: Score | None = None
    refine: bool = False
    min_area_ratio: float = Field(default=0.0005, ge=0, le=1)

    @property
    def lowest(self) -> float:
        """The least probability of a pixel that the mask may hold."""
        return self.threshold if self.low is None else self.low

    @model_validator(mode="after")
    def _low_goes_with_hysteresis(self) -> MaskPolicy:
        if (self.kind == "hysteresis") != (self.low is not None):
            raise ValueError("low goes with hysteresis, and only with it")
        if self.low is not None and self.low > self.threshold:
            raise ValueError("low must not exceed threshold")
        return self


class _Network(Part):
    name: Slug
    weights: str
    output: Output
    calibration: Calibration = Calibration()
    status: Literal["stable", "experimental"] = "stable"
    metrics: dict[str, Any] = Field(default_factory=dict)


class Gate(_Network):
    """A network whose score may end an inspection before the segmenters run.

    Below ``threshold`` the inspection ends with ``ends_with``; ``none`` only
    records the score.  ``code`` is the reason's code when it is ``rejected``.
    """

    role: Literal["gate"]
    threshold: Score
    ends_with: Literal["clean", "rejected", "none"] = "none"
    code: Slug | None = None

    @model_validator(mode="after")
    def _is_a_gate(self) -> Gate:
        if self.output.kind != "score":
            raise ValueError("a gate's output is a score")
        if (self.ends_with == "rejected") != (self.code is not None):
            raise ValueError("code goes with ends_with rejected, and only with it")
        return self


class Locator(_Network):
    """A network whose mask tells where the vehicle is; what is outside is not examined.

    The photo is cropped to the mask at ``threshold`` with ``margin`` of its
    size around it, where that is less than ``crop_below`` of the photo.
    """

    role: Literal["locate"]
    threshold: Score
    margin: float = Field(default=0.1, ge=0, le=1)
    crop_below: Score = 0.5

    @model_validator(mode="after")
    def _is_a_locator(self) -> Locator:
        if self.output.kind != "mask":
            raise ValueError("a locator's output is a mask")
        return self


class SegmentNetwork(_Network):
    """A network that outlines one type of damage.

    ``long_sides`` overrides the weights' input size; with several, the
    probabilities of all are averaged.
    """

    role: Literal["segment"]
    type: Slug
    policy: MaskPolicy
    long_sides: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _is_a_segmenter(self) -> SegmentNetwork:
        if self.output.kind != "mask":
            raise ValueError("a segmenter's output is a mask")
        return self


class UnionNetwork(_Network):
    """A network that outlines damage of whatever type.

    Pixels of its mask that no type claims go to the likeliest stable type; its
    strongest pixels are the evidence that `Evidence` weighs.
    """

    role: Literal["union"]
    policy: MaskPolicy
    long_sides: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _is_a_union(self) -> UnionNetwork:
        if self.output.kind != "mask":
            raise ValueError("a union's output is a mask")
        return self


Network = Annotated[Gate | Locator | SegmentNetwork | UnionNetwork, Field(discriminator="role")]
