"""Ray Serve: ``python -m benchmarks.peers.ray_serve_service PORT``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.peers.deployment import read_deployment
from benchmarks.peers.single_inspection import Inspect

DEPLOYMENT = read_deployment()


class Damage:
    """POST /inspect {"url": ...}."""

    def __init__(self) -> None:
        self.inspect_photo = Inspect()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """The verdict of one photo."""
        url = (await request.json())["url"]
        if DEPLOYMENT.batches:
            return await self.batch(url)
        return await asyncio.to_thread(self.inspect_photo, url)

    @serve.batch(**DEPLOYMENT.batches)
    async def batch(self, urls: list[str]) -> list[dict[str, Any]]:
        """The verdicts of a batch."""
        return await asyncio.to_thread(self.inspect_photo.batch, urls)


def _stop(*_: object) -> None:
    ray.shutdown()
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    # Each replica requests one core or less; the controller and the proxy request none.
    ray.init(num_cpus=max(len(os.sched_getaffinity(0)), 2), include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    deployed = serve.deployment(num_replicas=DEPLOYMENT.processes, **DEPLOYMENT.options)(Damage)
    serve.run(deployed.bind(), route_prefix="/inspect")
    signal.pause()
