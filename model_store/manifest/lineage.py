"""Where a bundle comes from: its start, its training data and the code that made it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from model_store.manifest.networks import Sha256
from model_store.manifest.part import Part


class Parent(Part):
    """What the weights were trained or averaged from.

    ``digest`` is that of a bundle (the sha256 of its manifest), or the sha256 of a checkpoint,
    which has no ``version``.
    """

    kind: Literal["bundle", "checkpoint"]
    name: str
    version: str = ""
    digest: Sha256


class TrainingData(Part):
    """Labelled photos: their number by split, and a digest of photos, labels and split.

    `python -m model_training digest` computes the digest.
    """

    digest: Sha256
    photos: dict[str, Annotated[int, Field(ge=0)]]


class Code(Part):
    """The version of damage-tasks, and the git commit if it ran from a clone.

    ``dirty``: the clone had changes that were not committed.
    """

    version: str
    commit: str = Field(default="", pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})?$")
    dirty: bool = False


class Lineage(Part):
    """Where a bundle comes from, as far as the command that wrote it knew."""

    trained_from: tuple[Parent, ...] = ()
    training_data: TrainingData | None = None
    code: Code | None = None
