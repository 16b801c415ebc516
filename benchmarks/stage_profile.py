"""CPU time per stage: runs the pipeline in one process with a CPU clock on every part.

``python -m benchmarks.stage_profile REQUEST`` runs in a worker's environment and in its own
process, so threads and caches are as in a worker.  REQUEST is JSON: photos
by group, each a list of URLs; the result is JSON on the last line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from benchmarks.worker_process import open_pipeline
from damage_tasks.attempt_state import Attempt
from damage_tasks.devstack import clean_environment
from damage_tasks.errors import StackError

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


def time_calls(owner: Any, clock: Clock, steps: Mapping[str, str]) -> None:
    """Time the functions of ``owner`` (a module or an object) under the names in ``steps``.

    Its own attributes are replaced, because several parts of a pipeline share one object.
    """
    for function, name in steps.items():
        vars(owner)[function] = clock.around(name, getattr(owner, function))


def breakdown(groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """CPU milliseconds per photo by group and step, and the share that a gate ended."""
    from damage_tasks import examination
    from damage_tasks.vision import segmenter

    clock = Clock()
    load_engine = vars(segmenter)["load_engine"]
    ended: list[bool] = []

    def load(*args: Any, **kwargs: Any) -> Any:
        engine = load_engine(*args, **kwargs)
        time_calls(engine, clock, {"encode": "forward", "decode": "forward"})
        return engine

    vars(segmenter)["load_engine"] = load
    time_calls(
        examination,
        clock,
        {
            "render_overlay": "overlay",
            "encode_jpeg": "overlay JPEG",
            "class_mask_png": "mask PNG",
            "conclude": "masks and damages",
        },
    )
    pipeline = open_pipeline()
    segment = pipeline.segmenter.segment

    def watched(pixels: Any) -> Any:
        found = segment(pixels)
        ended.append(found.ended is not None)
        return found

    vars(pipeline.segmenter)["segment"] = clock.around("inputs and scores", watched)
    for part, steps in (
        (pipeline.photos, {"download": "download", "decode": "decode photo"}),
        # Both pictures are uploaded at the same time, each by a thread.
        (pipeline.finding_pictures, {"store": "upload"}),
        (pipeline.inspections, {"find_finding": "database", "save": "database"}),
    ):
        time_calls(part, clock, steps)
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


def measure_steps(
    environment: Mapping[str, str], groups: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """`breakdown` in its own process with a worker's ``environment``.

    Raises `StackError` with the end of its log if it fails.
    """
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.stage_profile", json.dumps(groups)],
        env={**clean_environment(), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if process.returncode:
        end = process.stderr.strip()[-600:]
        raise StackError(f"the profile ended with status {process.returncode}: {end}")
    answer: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return answer


if __name__ == "__main__":
    sys.stdout.write(json.dumps(breakdown(json.loads(sys.argv[1]))) + "\n")
