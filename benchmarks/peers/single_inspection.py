"""One photo's inspection as every stack does it: our own pipeline, engine and storage."""

from __future__ import annotations

import os
import uuid
from typing import Any

# Any value: the network as its author runs it, in eager fp32 with default threads.
EAGER = "BENCH_EAGER"


class Inspect:
    """Loads what a worker process loads; a call inspects the photo at a URL."""

    def __init__(self) -> None:
        if os.environ.get(EAGER):
            from benchmarks.baselines import EagerEngine
            from damage_tasks.vision import segmenter

            vars(segmenter)["load_engine"] = lambda bundle, name, *_: EagerEngine(bundle, name)
        from damage_tasks.worker.lifecycle import get_pipeline

        self.pipeline = get_pipeline()

    def __call__(self, url: str) -> dict[str, Any]:
        """The verdict; it is stored already."""
        inspection = self.pipeline.inspect(str(uuid.uuid4()), url)
        return {"verdict": str(inspection.verdict)}
