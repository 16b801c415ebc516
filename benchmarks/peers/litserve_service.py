"""LitServe: ``python -m benchmarks.peers.litserve_service PORT``."""

from __future__ import annotations

import sys
from typing import Any

import litserve

from benchmarks.peers.deployment import read_deployment
from benchmarks.peers.single_inspection import Inspect


class Damage(litserve.LitAPI):
    """POST /inspect {"url": ...}."""

    def setup(self, device: str) -> None:
        """Load the networks."""
        self.inspect_photo = Inspect()

    def decode_request(self, request: dict[str, str]) -> str:
        """The photo's address."""
        return request["url"]

    def predict(self, x: str | list[str]) -> dict[str, Any] | list[dict[str, Any]]:
        """The verdict of one photo, or the verdicts of a batch."""
        return self.inspect_photo(x) if isinstance(x, str) else self.inspect_photo.batch(x)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """The verdict, unchanged."""
        return output


if __name__ == "__main__":
    deployment = read_deployment()
    server = litserve.LitServer(
        Damage(api_path="/inspect", **deployment.batches),
        accelerator="cpu",
        workers_per_device=deployment.processes,
        timeout=120,
        **deployment.options,
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
