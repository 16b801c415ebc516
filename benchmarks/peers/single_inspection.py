"""The inspection of one photo in every framework: our own pipeline, engine and storage."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.peers.deployment import DEPLOYMENT, read_deployment
from benchmarks.worker_process import open_pipeline
from damage_tasks.attempt_state import Attempt


class Inspect:
    """Prepares a process like one of our worker's; a call inspects the photo at a URL."""

    def __init__(self) -> None:
        if os.environ.get(DEPLOYMENT) and read_deployment().is_eager:
            from benchmarks.baselines import EagerEngine
            from damage_tasks.vision import segmenter

            vars(segmenter)["load_engine"] = lambda bundle, name, *_: EagerEngine(bundle, name)
        self.pipeline = open_pipeline()

    def __call__(self, url: str) -> dict[str, Any]:
        """Inspect the photo at ``url``, store the result and return it."""
        inspection = self.pipeline.inspect(Attempt(str(uuid.uuid4()), url))
        return {"verdict": str(inspection.verdict)}

    def batch(self, urls: Sequence[str]) -> list[dict[str, Any]]:
        """Inspect the photos of a batch, each in a thread, so that no download waits."""
        with ThreadPoolExecutor(len(urls)) as pool:
            return list(pool.map(self, urls))
