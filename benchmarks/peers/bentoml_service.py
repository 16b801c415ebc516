"""BentoML: ``bentoml serve benchmarks.peers.bentoml_service:Damage``."""

# No `from __future__ import annotations`: BentoML reads the types of its API at run time.
from typing import Any

import bentoml

from benchmarks.peers.deployment import read_deployment
from benchmarks.peers.single_inspection import Inspect

DEPLOYMENT = read_deployment()
WORKERS = {"workers": DEPLOYMENT.processes} if DEPLOYMENT.processes_per_core else {}


class Photos:
    """POST /inspect {"url": ...}."""

    def __init__(self) -> None:
        self.inspect_photo = Inspect()

    @bentoml.api
    def inspect(self, url: str) -> dict[str, Any]:
        """The verdict of one photo."""
        return self.inspect_photo(url)


class Batches:
    """POST /inspect {"url": [...]}, of which the framework makes batches."""

    def __init__(self) -> None:
        self.inspect_photo = Inspect()

    @bentoml.api(batchable=True, **DEPLOYMENT.batches)
    def inspect(self, url: list[str]) -> list[dict[str, Any]]:
        """The verdicts of a batch."""
        return self.inspect_photo.batch(url)


Damage = bentoml.service(
    Batches if DEPLOYMENT.batches else Photos,
    name="Damage",
    traffic={"timeout": 120},
    **WORKERS,
    **DEPLOYMENT.options,
)
