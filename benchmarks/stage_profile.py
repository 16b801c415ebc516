"""CPU time per stage: runs the pipeline in one process with a CPU clock on every part.

``python -m benchmarks.stage_profile REQUEST`` runs in a worker's environment and in its own
process, so threads and caches are as in a worker.  REQUEST is JSON: photos
by group, each a list of URLs; the result is JSON on the last line.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from damage_tasks.attempt_state import Attempt

WARM_UP_PHOTOS = 4


class Clock:
    """CPU seconds of this process by step, excluding nested steps."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the CPU time spent inside, minus that of nested steps, to ``name``."""
        self._inner.append(0.0)
        start = time.process_time()
        try:
            yield
        finally:
            spent = time.process_time() - start
            self.seconds[name] += spent - self._inner.pop()
            if self._inner:
                self._inner[-1] += spent

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, timed as ``name``."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.step(name):
                return function(*args, **kwargs)

        return timed


class Timed:
    """Wraps an object; the methods in ``steps`` are timed under the names given there."""

    def __init__(self, inner: Any, clock: Clock, steps: Mapping[str, str]) -> None:
        self._inner = inner
        for method, name in steps.items():
            setattr(self, method, clock.around(name, getattr(inner, method)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def breakdown(groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """CPU milliseconds per photo by group and step, and the share that a gate ended."""
    from damage_tasks import app
    from damage_tasks import pipeline as pipeline_module
    from damage_tasks.vision import segmenter
    from damage_tasks.worker.runtime import runtime_of

    clock = Clock()
    load_engine = vars(segmenter)["load_engine"]
    ended: list[bool] = []

    def load(*args: Any, **kwargs: Any) -> Any:
        steps = {"encode": "forward", "decode": "forward"}
        return Timed(load_engine(*args, **kwargs), clock, steps)

    vars(segmenter)["load_engine"] = load
    for name, step in {
        "render_overlay": "overlay",
        "encode_jpeg": "overlay JPEG",
        "class_mask_png": "mask PNG",
        "conclude": "masks and damages",
    }.items():
        setattr(pipeline_module, name, clock.around(step, getattr(pipeline_module, name)))
    pipeline = runtime_of(app).get_pipeline()
    pipeline.photos = Timed(
        pipeline.photos, clock, {"download": "download", "decode": "decode photo"}
    )
    segment = pipeline.segmenter.segment

    def watched(pixels: Any) -> Any:
        found = segment(pixels)
        ended.append(found.ended is not None)
        return found

    vars(pipeline.segmenter)["segment"] = clock.around("inputs and scores", watched)
    pipeline.pictures = Timed(pipeline.pictures, clock, {"put": "upload"})
    pipeline.inspections = Timed(
        pipeline.inspections, clock, {"find_finding": "database", "save": "database"}
    )
    answer: dict[str, Any] = {}
    serial = time.time_ns()
    for group, urls in groups.items():
        for number, url in enumerate(urls):
            if number == WARM_UP_PHOTOS:
                clock.seconds.clear()
                ended.clear()
            with clock.step("the rest"):
                pipeline.inspect(Attempt(f"{serial}-{group}-{number}", url))
        photos = len(urls) - WARM_UP_PHOTOS
        answer[group] = {
            "photos": photos,
            "gate_share": sum(ended) / photos,
            "cpu_ms": {
                name: s * 1000 / photos
                for name, s in sorted(clock.seconds.items(), key=itemgetter(1), reverse=True)
            },
        }
    return answer


if __name__ == "__main__":
    sys.stdout.write(json.dumps(breakdown(json.loads(sys.argv[1]))) + "\n")
