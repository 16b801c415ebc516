"""Ray Serve: ``python -m benchmarks.peers.ray_serve_service PORT``."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.peers.single_inspection import Inspect

WORKERS = int(os.environ.get("BENCH_WORKERS", "1"))


@serve.deployment(num_replicas=WORKERS)
class Damage:
    """POST /inspect {"url": ...}."""

    def __init__(self) -> None:
        self.inspect_photo = Inspect()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """The verdict of one photo."""
        return self.inspect_photo((await request.json())["url"])


def _stop(*_: object) -> None:
    ray.shutdown()
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    # Each replica requests one core; the controller and the proxy request none.
    ray.init(num_cpus=max(WORKERS, 2), include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Damage.bind(), route_prefix="/inspect")  # type: ignore[attr-defined]
    signal.pause()
