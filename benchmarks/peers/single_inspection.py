"""The inspection of one photo in every framework: our own pipeline, engine and storage."""

from __future__ import annotations

import os
import uuid
from typing import Any

from benchmarks.worker_process import open_pipeline
from damage_tasks.attempt_state import Attempt

# Any value selects the network as its author would run it, in eager fp32 with default threads.
EAGER = "BENCH_EAGER"


class Inspect:
    """Prepares a process like one of our worker's; a call inspects the photo at a URL."""

    def __init__(self) -> None:
        if os.environ.get(EAGER):
            from benchmarks.baselines import EagerEngine
            from damage_tasks.vision import segmenter

            vars(segmenter)["load_engine"] = lambda bundle, name, *_: EagerEngine(bundle, name)
        self.pipeline = open_pipeline()

    def __call__(self, url: str) -> dict[str, Any]:
        """Inspect the photo at ``url``, store the result and return it."""
        inspection = self.pipeline.inspect(Attempt(str(uuid.uuid4()), url))
        return {"verdict": str(inspection.verdict)}
