"""The parts of a manifest: weights files and the networks in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from model_store.manifest.part import Part, is_number

Score = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]


def inside_the_bundle(file: str) -> str:
    """``file`` if it is a relative path that stays inside the bundle; raises ``ValueError``."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file or not path.name:
        raise ValueError("must be a path inside the bundle")
    return file


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
    """The same network in an engine's own format, as `model_training quantise` writes it.

    ``agreement`` measures how closely its masks match those of the fp32 weights.
    """

    files: tuple[File, ...] = Field(min_length=1)
    agreement: dict[str, float] = Field(default_factory=dict)


class Weights(Part):
    """One weights file and how to run it.

    ``safetensors`` needs an ``architecture`` that `model_store.architectures`
    knows, with its ``parameters``; ``exported_program`` (torch.export) and ``onnx``, which only
    OpenVINO runs, contain their own.  They return mask logits (N x masks x h x w), score logits
    (N x scores), or both; all outputs of ``onnx`` are masks.  ``engines`` holds quantised
    versions of the network.
    """

    file: str
    sha256: Sha256
    bytes: int = Field(gt=0)
    format: Literal["safetensors", "exported_program", "onnx"] = "safetensors"
    architecture: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    input: Input
    engines: dict[Literal["openvino-int8"], Converted] = Field(default_factory=dict)

    _inside = field_validator("file")(inside_the_bundle)

    @field_validator("file")
    @classmethod
    def _is_no_pickle(cls, file: str) -> str:
        if re.search(r"\.(pt|pth|pkl|pickle|ckpt|bin|joblib|npy)$", file):
            raise ValueError("pickled weights are not accepted; convert them to safetensors")
        return file

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:
        """An architecture that does not fit the format."""
        is_safetensors = given.get("format", "safetensors") == "safetensors"
        if is_safetensors != (given.get("architecture") is not None):
            yield "architecture is required for safetensors and invalid without it"


class Output(Part):
    """Which output of its weights a network uses: a score or a mask channel."""

    kind: Literal["score", "mask"]
    channel: int = Field(ge=0)


class Calibration(Part):
    """Platt scaling on the logit: probability = sigmoid(scale * logit + offset)."""

    scale: float = 1.0
    offset: float = 0.0


class MaskPolicy(Part):
    """How a segmenter's probabilities become a mask.

    ``threshold`` selects the pixels at or above ``threshold``.  ``hysteresis`` selects regions
    at or above ``low`` that contain a pixel at or above ``threshold``, which suits thin
    damage with faint borders.  With ``refine``, the probabilities first follow the photo's
    edges (guided filter, He et al., ECCV 2010).  Regions smaller than ``min_area_ratio`` of
    the photo are dropped.
    """

    kind: Literal["threshold", "hysteresis"] = "threshold"
    threshold: Score
    low: Score | None = None
    refine: bool = False
    min_area_ratio: float = Field(default=0.0005, ge=0, le=1)

    @property
    def lowest(self) -> float:
        """The lowest probability that a pixel of the mask can have."""
        return self.threshold if self.low is None else self.low

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:
        """A lower threshold that does not fit the rest."""
        low, threshold = given.get("low"), given.get("threshold")
        if (given.get("kind") == "hysteresis") != (low is not None):
            yield "low is required for hysteresis and invalid without it"
        if is_number(low) and is_number(threshold) and low > threshold:
            yield "low must not exceed threshold"


class _Network(Part):
    name: Slug
    weights: str
    output: Output
    calibration: Calibration = Calibration()
    status: Literal["stable", "experimental"] = "stable"
    metrics: dict[str, Any] = Field(default_factory=dict)


def _wrong_output(given: Mapping[str, Any], kind: str, whose: str) -> Iterator[str]:
    output = given.get("output")
    if isinstance(output, Mapping) and output.get("kind") not in (None, kind):
        yield f"{whose} output must be a {kind}"


class Gate(_Network):
    """A network whose score may end an inspection before the segmenters run.

    Below ``threshold`` the inspection ends with ``ends_with``; ``none`` only
    records the score.  ``code`` is the reason's code when it is ``rejected``.
    ``long_side`` overrides the weights' input size: a gate that sees a small photo may end most
    inspections before another sees a larger one.
    """

    role: Literal["gate"]
    threshold: Score
    long_side: int | None = Field(default=None, ge=32, le=4096)
    ends_with: Literal["clean", "rejected", "none"] = "none"
    code: Slug | None = None

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:
        """An output or a code that a gate cannot have."""
        yield from _wrong_output(given, "score", "a gate's")
        if (given.get("ends_with") == "rejected") != (given.get("code") is not None):
            yield "code is required for ends_with rejected and invalid without it"


class Locator(_Network):
    """A network whose mask shows where the vehicle is; everything outside is ignored.

    The photo is cropped to the mask at ``threshold`` plus a ``margin`` relative to the mask's
    size, if the result is less than ``crop_below`` of the photo.
    """

    role: Literal["locate"]
    threshold: Score
    margin: float = Field(default=0.1, ge=0, le=1)
    crop_below: Score = 0.5

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:
        """An output that a locator cannot have."""
        yield from _wrong_output(given, "mask", "a locator's")


class SegmentNetwork(_Network):
    """A network that outlines one type of damage.

    ``long_sides`` overrides the weights' input size; if it lists several, their
    probabilities are averaged.
    """

    role: Literal["segment"]
    type: Slug
    policy: MaskPolicy
    long_sides: tuple[int, ...] = ()

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:
        """An output that a segmenter cannot have."""
        yield from _wrong_output(given, "mask", "a segmenter's")


class UnionNetwork(_Network):
    """A network that outlines damage of any type.

    Pixels of its mask that no type claims are given to the likeliest stable type; its
    strongest pixels are the input of `Evidence`.
    """

    role: Literal["union"]
    policy: MaskPolicy
    long_sides: tuple[int, ...] = ()

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:
        """An output that a union network cannot have."""
        yield from _wrong_output(given, "mask", "a union's")


Network = Annotated[Gate | Locator | SegmentNetwork | UnionNetwork, Field(discriminator="role")]
