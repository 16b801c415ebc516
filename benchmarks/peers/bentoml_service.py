"""BentoML: ``bentoml serve benchmarks.peers.bentoml_service:Damage``."""

# No `from __future__ import annotations`: BentoML reads the types of its API at run time.
import os
from typing import Any

import bentoml

from benchmarks.peers.single_inspection import Inspect

WORKERS = int(os.environ.get("BENCH_WORKERS", "1"))


@bentoml.service(workers=WORKERS, traffic={"timeout": 120})
class Damage:
    """POST /inspect {"url": ...}."""

    def __init__(self) -> None:
        self.inspect_photo = Inspect()

    @bentoml.api
    def inspect(self, url: str) -> dict[str, Any]:
        """The verdict of one photo."""
        return self.inspect_photo(url)
